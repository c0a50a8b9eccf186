"""A bundle: a folder that has been opened and checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from torchless.errors import BundleError, BundleNotFoundError, IncompatibleError, InputError, IntegrityError

from .locate import locate
from .manifest import MANIFEST, TOKENIZER, Manifest, Precision, Variant

if TYPE_CHECKING:
    from torchless.inputs.tokens import Tokenizer


class Bundle:
    """An exported model on disk.

    Attributes:
        path: the folder; of a bundle on the Hub it holds what `fetch` brought there.
        manifest: its contract, parsed and checked.
    """

    def __init__(self, path: Path, manifest: Manifest, fetch: Callable[[Iterable[str]], None] | None = None) -> None:
        self.path = path
        self.manifest = manifest
        self._fetch = fetch

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, revision: str | None = None) -> Bundle:
        """Open a bundle and read its manifest; file contents are checked by `check`.

        Args:
            path: a folder, the name of an installed model package, or a Hub id (org/name, org/name@revision), looked
                for in that order. Only a Hub id touches the network, and only for what is not in the Hub's cache.
            revision: branch, tag or commit of a Hub id; None is its main branch.

        Raises:
            BundleNotFoundError: there is no such bundle, or the folder holds no manifest.json.
            BundleError: the manifest cannot be read.
            ManifestError, IncompatibleError: the manifest cannot be used.
            InputError: a revision of what has none.
            MissingExtraError: a Hub id without huggingface_hub.
            OutputError: the Hub's cache cannot be written.
        """
        place = locate(path, revision)
        folder = place.folder
        with _reading(folder / MANIFEST):
            if not folder.is_dir():
                raise BundleNotFoundError(folder, "there is no such folder")
            if not (folder / MANIFEST).exists():
                raise BundleNotFoundError(folder, f"the folder has no {MANIFEST}")
            data = (folder / MANIFEST).read_bytes()
        return cls(folder, Manifest.from_bytes(data), place.fetch)

    def variant(self, precision: str) -> tuple[Precision, Variant]:
        """The variant for a precision; "auto" is the manifest's default.

        Raises:
            InputError: there is no such precision.
            IncompatibleError: the bundle does not hold that precision.
        """
        if precision not in ("auto", *get_args(Precision)):
            raise InputError(f"precision: expected one of auto, {', '.join(get_args(Precision))}, got {precision!r}.")
        variants = self.manifest.variants
        name = self.manifest.default_precision if precision == "auto" else cast(Precision, precision)
        if name in variants:
            return name, variants[name]
        raise IncompatibleError(
            f"{self.path} holds {', '.join(variants)}, not {precision}. Export it with --precision {precision}, "
            "or load it with precision='auto'."
        )

    def files_for(self, variant: Variant) -> list[str]:
        """What running this variant takes, as the manifest names it."""
        return [TOKENIZER, *variant.files]

    def fetch(self, names: Iterable[str] | None = None) -> None:
        """Bring files into the folder that are still on the Hub: all of them, or those named.

        Raises:
            BundleNotFoundError: the Hub does not give one.
            OutputError: the Hub's cache cannot be written.
        """
        if self._fetch is not None:
            self._fetch(self.manifest.files if names is None else names)

    def check(self, names: Iterable[str] | None = None) -> None:
        """Compare files with their recorded size and sha256: all of them, or those named; fetch what is not here.

        Raises:
            BundleNotFoundError, OutputError: as in `fetch`.
            IntegrityError: a file is missing or differs by as much as a byte; the message names it.
            BundleError: a file cannot be read.
        """
        names = list(self.manifest.files if names is None else names)
        self.fetch(names)
        for name in names:
            path, record = self.path / name, self.manifest.files[name]
            with _reading(path):
                if path.parent != self.path and path.parent.is_symlink():
                    raise IntegrityError(path.parent, "a folder", "a link")
                if not path.exists():
                    raise IntegrityError(path, f"{record.size_bytes} bytes", "no file")
                size = path.stat().st_size
                if size != record.size_bytes:
                    raise IntegrityError(path, f"{record.size_bytes} bytes", f"{size} bytes")
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != record.sha256:
                raise IntegrityError(path, f"sha256 {record.sha256}", digest)

    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer, cutting texts at the manifest's limit.

        Raises:
            IncompatibleError: `tokenizers` cannot read it.
        """
        from torchless.inputs.tokens import Tokenizer  # here, because reading a manifest needs no numpy

        manifest = self.manifest
        return Tokenizer(
            self.path / TOKENIZER,
            manifest.max_tokens,
            pairs=manifest.pairs,
            truncation_side=manifest.truncation_side,
        )

    def read(self, name: str) -> bytes:
        """A file's bytes.

        Raises:
            BundleError: it cannot be read.
        """
        with _reading(self.path / name):
            return (self.path / name).read_bytes()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except BundleError:  # some are OSErrors too
        raise
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}.") from error
