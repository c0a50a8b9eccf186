"""Python code of a model's own, beside a checkpoint or in another repository of the Hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torchless.bundle.hub import client
from torchless_export.errors import CheckpointError, UnsupportedModelError, one_line

from .files import is_there
from .json_files import read_json

_FILES = ("config.json", "tokenizer_config.json")


def refuse_code(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a model that is made of Python code of its own.

    Raises:
        UnsupportedModelError: so is this one.
    """
    if not config.get("auto_map"):
        return
    from transformers import CONFIG_MAPPING

    known = config["model_type"] in CONFIG_MAPPING
    other = " Or remove auto_map from a copy: transformers has this architecture itself." if known else ""
    raise UnsupportedModelError(
        f"{folder / 'config.json'}, auto_map: the model brings Python code of its own, which an export would run "
        f"({', '.join(_classes(config))}). Read it, then pass --trust-remote-code.{other} A bundle holds no code, and "
        "the runtime runs none."
    )


def is_the_model(config: Mapping[str, Any]) -> bool:
    """Whether code of its own says what the model computes, and not the architecture that config.json names."""
    return any(name.startswith("AutoModel") for name in config.get("auto_map") or {})


def bring_code(folder: Path, *, fetch: bool) -> None:
    """See to it that code in other repositories is in the Hub's cache, where transformers looks for it.

    Args:
        folder: of the checkpoint.
        fetch: download it; False refuses what is not there.

    Raises:
        CheckpointError: it is not there.
        MissingExtraError: huggingface_hub is not installed.
    """
    for repository, file in _elsewhere(folder):
        hub = client(f"reading {repository} from the Hub")
        if fetch:
            try:
                hub.snapshot_download(repository, allow_patterns=["*.py"])
            except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError, OSError) as error:
                raise CheckpointError(
                    f"{folder}, auto_map: the code is in {repository}, which the Hub did not give ({one_line(error)})."
                ) from error
        elif not isinstance(hub.try_to_load_from_cache(repository, file), str):
            raise CheckpointError(
                f"{folder}, auto_map: the code is in {repository}, and a folder is exported without the network. Fetch "
                f"it first: hf download {repository} --include '*.py'"
            )


def code_from_elsewhere(folder: Path) -> Iterator[str]:
    """Other repositories whose code a model runs, each with its commit: `other/code@1a2b…`."""
    for repository, file in _elsewhere(folder):
        found = client(f"reading {repository} from the Hub").try_to_load_from_cache(repository, file)
        yield f"{repository}@{Path(str(found)).parent.name}"  # the cache names a snapshot's folder by its commit


def _elsewhere(folder: Path) -> Iterator[tuple[str, str]]:
    """Other repositories that hold code, each with a file of it."""
    found = [read_json(folder / name) for name in _FILES if is_there(folder / name)]
    named = [each.partition("--") for config in found for each in _classes(config)]
    yield from {repository: f"{place.partition('.')[0]}.py" for repository, dashes, place in named if dashes}.items()


def _classes(config: Mapping[str, Any]) -> list[str]:
    """What auto_map names; of a tokenizer two classes, or one and null. Once a tokenizer's was a list of them."""
    named = config.get("auto_map") or {}
    values = named.values() if isinstance(named, Mapping) else [named]
    return [str(name) for value in values for name in (value if isinstance(value, list) else [value]) if name]
