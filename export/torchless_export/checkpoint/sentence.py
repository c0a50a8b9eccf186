"""What sentence-transformers writes beside a checkpoint: how texts become the vectors it was trained to give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from torchless.bundle.manifest import Pooling
from torchless.errors import shortened, shown
from torchless_export.errors import CheckpointError, UnsupportedModelError

from .files import is_there
from .json_files import read_json, read_json_list
from .transformer_settings import TransformerSettings

_MODULES = "modules.json"
_LEGACY = "pooling_mode_"  # before version 5.2 each mode had a switch: pooling_mode_mean_tokens
_MODES = {"cls_token": "cls", "max_tokens": "max", "mean_tokens": "mean"}


@dataclass(frozen=True)
class SentenceSettings:
    """How a sentence-transformers checkpoint makes one vector per text.

    Attributes:
        pooling: from token states to a vector.
        normalize: whether it is scaled to length 1.
        transformer: how its transformer is loaded.
    """

    pooling: Pooling
    normalize: bool
    transformer: TransformerSettings

    @classmethod
    def read(cls, folder: Path) -> SentenceSettings | None:
        """Read modules.json and what it names; None where there is none.

        Args:
            folder: of the whole, or of the transformer in it.

        Raises:
            UnsupportedModelError: the checkpoint does something that `Encoder.embed` does not.
            CheckpointError: a file is missing or not what it should be.
        """
        root = root_of(folder)
        prompts = (root or folder) / "config_sentence_transformers.json"
        settings = read_json(prompts) if is_there(prompts) else {}
        if root is None or settings.get("model_type") == "CrossEncoder":
            return None
        modules = _modules(root)
        kinds = [kind for kind, _ in modules]
        if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
            raise _unsupported(root / _MODULES, "Transformer, Pooling and perhaps Normalize", ", ".join(kinds))
        if settings.get("truncate_dim") is not None:
            raise _unsupported(f"{prompts}, truncate_dim", "null, because vectors are whole", settings["truncate_dim"])
        prompt = settings.get("default_prompt_name")
        if prompt is not None and not _is_empty(settings.get("prompts"), prompt):
            raise _unsupported(prompts, "no default_prompt_name, because texts are read as they are", shown(prompt))
        return cls(
            pooling=_pooling(root / modules[1][1] / "config.json"),
            normalize="Normalize" in kinds,
            transformer=TransformerSettings.read(root / modules[0][1]),
        )


def _is_empty(prompts: object, name: object) -> bool:
    """Whether the prompt of a name is an empty text, which changes no text that it stands before."""
    return isinstance(prompts, dict) and isinstance(name, str) and prompts.get(name) == ""


def refuse_more_modules(root: Path) -> None:
    """Refuse a CrossEncoder that does more than run its transformer.

    Raises:
        UnsupportedModelError: so does this one.
        CheckpointError: modules.json is not what it should be.
    """
    kinds = [kind for kind, _ in _modules(root)]
    if kinds != ["Transformer"]:
        raise UnsupportedModelError(
            f"{root / _MODULES}: expected sentence-transformers' Transformer alone, got "
            f"{shortened(', '.join(kinds), 80) or 'none'}."
        )


def transformer_folder(folder: Path) -> Path:
    """The folder with the transformer's own files: the part that modules.json names, or the folder itself.

    Raises:
        CheckpointError: modules.json is not what it should be.
    """
    if not is_there(folder / _MODULES):
        return folder
    part = next((folder / path for kind, path in _modules(folder) if kind == "Transformer"), folder)
    return folder if is_there(folder / "config.json") and not is_there(part / "config.json") else part


def root_of(folder: Path) -> Path | None:
    """The folder with the modules.json that a folder, or a part of it, belongs to; None where there is none."""
    if is_there(folder / _MODULES):
        return folder
    whole = folder.resolve()
    for parent in whole.parents[:2]:
        try:
            if is_there(parent / _MODULES) and transformer_folder(parent).resolve() == whole:
                return parent
        except CheckpointError:  # a file of that name that is not sentence-transformers'
            continue
    return None


def _modules(root: Path) -> list[tuple[str, str]]:
    """Kind and path of every module, in the order that they run in; a class of others keeps its whole name."""
    path, found = root / _MODULES, []
    for each in read_json_list(path):
        place = each.get("path", "")
        if not isinstance(place, str) or Path(place).is_absolute() or ".." in Path(place).parts:
            raise CheckpointError(f"{path}, path: expected a folder below {root}, got {shown(place)}.")
        kind = str(each.get("type"))
        found.append((kind.rpartition(".")[2] if kind.startswith("sentence_transformers.") else kind, place))
    return found


def _pooling(path: Path) -> Pooling:
    config = read_json(path)
    switches = [name.removeprefix(_LEGACY) for name, on in config.items() if name.startswith(_LEGACY) and on]
    mode = config.get("pooling_mode", [_MODES.get(name, name) for name in switches] or "mean")
    modes = mode if isinstance(mode, list) else [mode]
    if len(modes) != 1 or modes[0] not in get_args(Pooling):
        raise _unsupported(path, "one pooling mode of " + ", ".join(get_args(Pooling)), ", ".join(map(str, modes)))
    return modes[0]  # type: ignore[no-any-return]  # checked above


def _unsupported(place: object, expected: str, got: object) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{place}: expected {expected}, got {shortened(got, 80)}. Remove modules.json to export the hidden "
        "states alone, and pool them yourself."
    )
