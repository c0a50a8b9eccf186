"""Bundles on the Hub: the files that a call needs are downloaded into the Hub's own cache, and loaded from there."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torchless.atomic_files import writing
from torchless.errors import BundleNotFoundError, OutputError, needs_extra

from .manifest import MANIFEST

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
LOG_IN = "Log in with `hf auth login`, or set HF_TOKEN"


def client(caller: str) -> Any:
    """huggingface_hub.

    Raises:
        MissingExtraError: it is not installed.
    """
    with needs_extra(caller, "hub", "huggingface_hub"):
        import huggingface_hub.constants
        import huggingface_hub.errors
    return huggingface_hub


class Snapshot:
    """One commit of a model on the Hub, as far as it has been downloaded.

    The cache of huggingface_hub is made of links, into one folder or several, and onnxruntime opens weights beside the
    graph alone. So what is downloaded is hard-linked into a folder of its own: docs/decisions/0040-hub-cache.md.

    Attributes:
        folder: the files that are here.
    """

    def __init__(self, name: str, revision: str | None) -> None:
        """Find the commit that a revision is now, and download its manifest.json.

        Args:
            name: org/name.
            revision: a branch, a tag or a commit; None is the main branch.

        Raises:
            BundleNotFoundError: it is not there, or not for us, or neither the Hub nor its cache can say.
            MissingExtraError: huggingface_hub is not installed.
            OutputError: the cache cannot be written.
        """
        self._name = name
        self._hub = client(f"no folder {name}; reading it from the Hub")
        with self._explained(MANIFEST, revision or "main"):
            manifest = self._manifest(revision)
        self._cached = manifest.parent
        self.folder = manifest.parents[2] / "torchless" / self._cached.name  # a snapshot is called like its commit
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._link(MANIFEST)
            can_add = os.access(self.folder, os.W_OK)  # what others have linked there may not be all that we load
        except OSError:
            can_add = False
        if not can_add:  # a cache that may only be read, or no hard links: most of its links load as they are
            self.folder = self._cached

    def fetch(self, names: Iterable[str]) -> None:
        """Download those files that are not here yet, all of the same commit.

        Raises:
            BundleNotFoundError: the Hub does not give one.
            OutputError: the cache cannot be written.
        """
        for name in names:
            if not (self.folder / name).exists():
                commit = self._cached.name
                with self._explained(name, commit):
                    self._hub.hf_hub_download(self._name, name, revision=commit)
                with writing(self.folder / name):
                    self._link(name)

    def _link(self, name: str) -> None:
        target = self.folder / name
        if not target.exists():
            target.parent.mkdir(exist_ok=True)  # onnx/ of a padded bundle
            try:
                os.link(os.path.realpath(self._cached / name), target)
            except FileExistsError:  # another process was faster; a commit's file is the same for both
                return

    def _manifest(self, revision: str | None) -> Path:
        def get(**options: bool) -> Path:
            return Path(self._hub.hf_hub_download(self._name, MANIFEST, revision=revision, **options))

        if re.fullmatch("[0-9a-f]{40}", revision or ""):  # a commit never changes: no need to ask
            with suppress(self._hub.errors.LocalEntryNotFoundError):
                return get(local_files_only=True)
        try:
            # Asked first, because it fails at once where nothing answers; a download would try for half a minute.
            timeout_s = self._hub.constants.HF_HUB_ETAG_TIMEOUT
            self._hub.HfApi().model_info(self._name, revision=revision, timeout=timeout_s)
        except self._hub.errors.RevisionNotFoundError:
            raise
        except Exception:
            with suppress(self._hub.errors.LocalEntryNotFoundError):
                return get(local_files_only=True)
            raise
        return get()

    @contextmanager
    def _explained(self, file: str, revision: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the client's own, requests', httpx's: they share no base
            if isinstance(error, OSError) and error.errno in _DISK:
                raise OutputError(Path(self._hub.constants.HF_HUB_CACHE), error) from error
            problem, advice = _explain(error, self._hub, file, revision)
            raise BundleNotFoundError(self._name, f"there is no such folder, and {problem}", advice) from error


def status(error: Exception) -> int | None:
    """The HTTP status that an error of the client is about."""
    code: int | None = getattr(getattr(error, "response", None), "status_code", None)
    return code


def _explain(error: Exception, hub: Any, file: str, revision: str) -> tuple[str, str]:
    """What went wrong, and what to do."""
    where, kinds, cause = f"the Hub ({hub.constants.ENDPOINT})", hub.errors, error.__cause__ or error
    if isinstance(cause, kinds.OfflineModeIsEnabled):
        return f"HF_HUB_OFFLINE is set while the cache has no {file} of revision {revision}", "Load it once online."
    if isinstance(error, kinds.GatedRepoError):
        return f"{where} has the model, but it is gated", f"Ask for access on its page there. {LOG_IN}."
    if isinstance(error, kinds.RevisionNotFoundError):
        return f"{where} has the model, but not its revision {revision}", "Name a branch, a tag or a commit."
    if status(error) == 404 and isinstance(error, kinds.EntryNotFoundError):
        return (
            f"{where} has the model, but no {file} at revision {revision}",
            "A checkpoint becomes a bundle with: torchless export. Upload a bundle with: torchless push.",
        )
    if status(error) == 401 or isinstance(error, kinds.RepositoryNotFoundError):
        return f"{where} has no such model, or keeps it private", f"Check the name. {LOG_IN} if it is private."
    if status(error) is None:
        return (
            f"{where} does not answer ({type(cause).__name__}) while the cache has no {file} of revision {revision}",
            "Check the connection, or name a folder or an installed package.",
        )
    return f"{where} did not give {file} of revision {revision} ({error})", "Try again."
