"""A checkpoint on the Hub, brought into the Hub's own cache."""

from __future__ import annotations

from pathlib import Path

from torchless.bundle.hub import client
from torchless_export.errors import CheckpointError, one_line

from .sentence import transformer_folder

_FILES = ["*.json", "*.txt", "*.model", "bpe.codes", "README.md", "model*.safetensors", "pytorch_model*.bin"]


def download(name: str, revision: str | None, *, code: bool) -> tuple[Path, str]:
    """The folder that holds a Hub id's files, and the commit that they are of.

    Args:
        name: the Hub id.
        revision: branch, tag or commit; None is the main branch.
        code: fetch the Python files too.

    Raises:
        CheckpointError: the Hub does not give one.
        MissingExtraError: huggingface_hub is not installed.
    """
    hub = client(f"no folder {name}; reading it from the Hub")
    patterns = [*_FILES, "*.py"] if code else _FILES
    try:
        folder = Path(hub.snapshot_download(name, revision=revision, allow_patterns=patterns))
        part = transformer_folder(folder).relative_to(folder).as_posix()
        if part != ".":  # as old versions of sentence-transformers lay it out
            inner = [f"{part}/{pattern}" for pattern in patterns]
            hub.snapshot_download(name, revision=folder.name, allow_patterns=inner)
    except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError, OSError) as error:
        raise CheckpointError(
            f"no checkpoint {name}: there is no such folder, and the Hub did not give one ({one_line(error)})."
        ) from error
    return folder, folder.name  # the Hub cache names a snapshot's folder by its commit
