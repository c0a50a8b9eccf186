"""A bundle onto the Hub, in one commit."""

from __future__ import annotations

import os
from typing import Any

from torchless.bundle.bundle import Bundle
from torchless.bundle.hub import LOG_IN, client, status
from torchless.bundle.locate import is_hub_id
from torchless.bundle.manifest import MANIFEST
from torchless.errors import HubError, InputError, shown
from torchless.shipping.verify import verify_bundle


def push(path: str | os.PathLike[str], name: str, *, private: bool = False, revision: str | None = None) -> str:
    """Verify a bundle, then upload what its manifest names, and nothing else that lies in the folder.

    Files that the repository has already are left there unless the bundle has one of the same name.

    Args:
        path: the bundle.
        name: org/name on the Hub; made where it is not there yet.
        private: make the repository private. A public one that is there already is refused.
        revision: the branch to commit to, made where it is not there yet; None is the main branch.

    Returns:
        The commit's URL.

    Raises:
        InputError: `name` is no Hub id.
        BundleError: as in `verify`: what is damaged, or answers differently here, is not uploaded.
        MissingExtraError: huggingface_hub is not installed.
        HubError: the Hub knows no token of ours, or gives it no right to write there, or is out of reach.
    """
    if not is_hub_id(name):
        raise InputError(f"expected a Hub id of the form org/name, got {shown(name)}.")
    hub = client("torchless push")
    bundle = Bundle.open(path)
    verify_bundle(bundle)
    try:
        return _upload(hub, bundle, name, private, revision)
    except HubError:
        raise
    except Exception as error:  # its own, requests', httpx's: they share no base
        raise HubError(name, *_explain(error, hub, name)) from error


def _upload(hub: Any, bundle: Bundle, name: str, private: bool, revision: str | None) -> str:
    api = hub.HfApi()
    api.create_repo(name, private=private or None, exist_ok=True)
    if private and not api.model_info(name).private:
        raise HubError(
            name, "it exists already and is public", "Choose another name, or make it private on its page first."
        )
    if revision is not None:
        api.create_branch(name, branch=revision, exist_ok=True)
    files = [hub.CommitOperationAdd(file, str(bundle.resolved / file)) for file in bundle.manifest.files]
    files.append(hub.CommitOperationAdd(MANIFEST, bundle.read(MANIFEST)))
    commit = api.create_commit(name, files, commit_message="Upload a Torchless bundle", revision=revision)
    return str(commit.commit_url)


def _explain(error: Exception, hub: Any, name: str) -> tuple[str, str]:
    """What went wrong, and what to do."""
    where = f"the Hub ({hub.constants.ENDPOINT})"
    code = status(error)
    if code == 401:
        return f"{where} got no valid token", f"{LOG_IN}."
    if code == 403:
        owner = name.partition("/")[0]
        return f"{where} does not allow this token to write there", f"Use a token that may write to {owner}."
    if code is None:
        return f"{where} is out of reach ({error})", "Check the connection; HF_HUB_OFFLINE must not be set."
    return f"{where} refused it ({error})", "Try again."
