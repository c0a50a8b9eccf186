"""What sentence-transformers writes beside a checkpoint: how texts become the vectors that it was trained for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from torchless.manifest import Pooling

from .errors import UnsupportedModelError
from .json_files import read_json, read_json_list

_LEGACY = "pooling_mode_"  # before version 5.2 each mode had a switch: pooling_mode_mean_tokens
_MODES = {"cls_token": "cls", "max_tokens": "max", "mean_tokens": "mean"}


@dataclass(frozen=True)
class SentenceSettings:
    """How a sentence-transformers checkpoint makes one vector of a text.

    Attributes:
        pooling: from token states to a vector.
        normalize: whether it is scaled to length 1.
        max_tokens: where texts are cut; None where only the model's own limit counts.
    """

    pooling: Pooling
    normalize: bool
    max_tokens: int | None

    @classmethod
    def read(cls, folder: Path) -> SentenceSettings | None:
        """Read modules.json and what it names; None where there is none.

        Raises:
            UnsupportedModelError: the checkpoint does something that `Encoder.embed` does not.
            CheckpointError: a file is missing or not what it should be.
        """
        if not (folder / "modules.json").is_file():
            return None
        listed = read_json_list(folder / "modules.json")
        modules = [(str(each.get("type")).rpartition(".")[2], str(each.get("path", ""))) for each in listed]
        kinds = [kind for kind, _ in modules]
        if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
            raise _unsupported(folder / "modules.json", "Transformer, Pooling and perhaps Normalize", ", ".join(kinds))
        transformer = folder / modules[0][1] / "sentence_bert_config.json"
        settings = read_json(transformer) if transformer.is_file() else {}
        if settings.get("do_lower_case"):
            raise _unsupported(transformer, "do_lower_case false (the tokenizer's own setting counts)", "true")
        prompts = folder / "config_sentence_transformers.json"
        prompt = read_json(prompts).get("default_prompt_name") if prompts.is_file() else None
        if prompt is not None:
            raise _unsupported(prompts, "no default_prompt_name, because texts are read as they are", repr(prompt))
        return cls(
            pooling=_pooling(folder / modules[1][1] / "config.json"),
            normalize="Normalize" in kinds,
            max_tokens=settings.get("max_seq_length"),
        )


def _pooling(path: Path) -> Pooling:
    config = read_json(path)
    switches = [name.removeprefix(_LEGACY) for name, on in config.items() if name.startswith(_LEGACY) and on]
    mode = config.get("pooling_mode", [_MODES.get(name, name) for name in switches])
    modes = [mode] if isinstance(mode, str) else list(mode)
    if len(modes) != 1 or modes[0] not in get_args(Pooling):
        raise _unsupported(path, "one pooling mode of " + ", ".join(get_args(Pooling)), ", ".join(modes) or "none")
    return modes[0]  # type: ignore[return-value]  # checked above


def _unsupported(path: Path, expected: str, got: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{path}: expected {expected}, got {got}. Remove modules.json to export the hidden states alone, and pool them "
        "yourself."
    )
