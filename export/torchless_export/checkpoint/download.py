"""A checkpoint on the Hub, brought into the Hub's own cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torchless.bundle.hub import client
from torchless_export.errors import CheckpointError, UnsupportedModelError, one_line

from .sentence import transformer_folder
from .weight_files import has_safetensors, no_weights

_FILES = ["*.json", "*.txt", "*.model", "bpe.codes", "README.md", "model*.safetensors"]
_PICKLES = "pytorch_model*.bin"
_VARIANTS = ["*model.*.safetensors", "*pytorch_model.*.bin"]  # model.fp16.safetensors, which an export never reads


def download(name: str, revision: str | None, *, code: bool) -> tuple[Path, str]:
    """The folder that holds a Hub id's files, and the commit that they are of; pickles only without safetensors.

    Args:
        name: the Hub id.
        revision: branch, tag or commit; None is the main branch.
        code: fetch the Python files too.

    Raises:
        CheckpointError: the Hub does not give one, or it has no weights of PyTorch.
        MissingExtraError: huggingface_hub is not installed.
    """
    hub = client(f"no folder {name}; reading it from the Hub")
    patterns = [*_FILES, "*.py"] if code else _FILES

    def fetch(revision: str | None, patterns: list[str]) -> Path:
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=patterns, ignore_patterns=_VARIANTS))

    try:
        folder = fetch(revision, patterns)
        part = transformer_folder(folder).relative_to(folder)
        inner = "" if part == Path() else f"{part.as_posix()}/"  # as old versions of sentence-transformers lay it out
        if inner:
            fetch(folder.name, [f"{inner}{pattern}" for pattern in patterns])
        if not has_safetensors(folder / part):
            fetch(folder.name, [f"{inner}{_PICKLES}"])
    except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError, OSError) as error:
        raise CheckpointError(
            f"no checkpoint {name}: there is no such folder, and the Hub did not give one ({one_line(error)})."
        ) from error
    if _lacks_weights(folder / part):
        names = [file.removeprefix(inner) for file in _listed(hub, name, folder.name)]
        raise no_weights(name, names)
    return folder, folder.name  # the Hub cache names a snapshot's folder by its commit


def _lacks_weights(folder: Path) -> bool:
    """Whether a model has none; what is an adapter, or no checkpoint at all, has an error of its own."""
    is_model = (folder / "config.json").is_file() and not (folder / "adapter_config.json").is_file()
    return is_model and not has_safetensors(folder) and not list(folder.glob(_PICKLES))


def _listed(hub: Any, name: str, revision: str) -> list[str]:
    """The names of all files; none where the Hub cannot be asked now."""
    try:
        return list(hub.list_repo_files(name, revision=revision))
    except Exception:  # of the HTTP client's classes; what is missing has been said without them
        return []


@contextmanager
def advising_a_copy(name: str) -> Iterator[None]:
    """Add to errors about a file of a checkpoint on the Hub how to change that: in a copy, not in the Hub's cache."""
    try:
        yield
    except (CheckpointError, UnsupportedModelError) as error:
        if Path(name).is_dir() or ".json" not in str(error):
            raise
        raise type(error)(
            f"{error} To change a file of {name}, copy it: `hf download {name} --local-dir FOLDER`, then export FOLDER."
        ) from error
