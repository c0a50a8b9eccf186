"""What sentence-transformers' CrossEncoder does with a checkpoint: its activation, and what it reads of a pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchless.bundle.manifest import Activation
from torchless.errors import shown
from torchless_export.errors import UnsupportedModelError

from .files import is_there
from .json_files import read_json
from .sentence import refuse_more_modules, root_of, transformer_folder
from .transformer_settings import TransformerSettings

_FILE = "config_sentence_transformers.json"
_NESTED, _OLD = "config.json, sentence_transformers.activation_fn", "sbert_ce_default_activation_function"
_ACTIVATIONS: dict[str, Activation] = {"Identity": "none", "Sigmoid": "sigmoid", "Softmax": "softmax"}


@dataclass(frozen=True)
class CrossEncoderSettings:
    """How `CrossEncoder.predict` makes scores of a checkpoint's logits.

    Attributes:
        activation: what it applies.
        transformer: how it loads the transformer; None where the checkpoint is transformers' own.
    """

    activation: Activation
    transformer: TransformerSettings | None

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any], outputs: int) -> CrossEncoderSettings:
        """Read them as sentence-transformers 4 to 5.7 does.

        It reads a file of its own only beside a modules.json of a CrossEncoder, then config.json, where a field of this
        version hides that of earlier ones even if it is null. Else one output has a sigmoid, and several have none.

        Args:
            folder: of the checkpoint.
            config: config.json.
            outputs: of the head.

        Raises:
            UnsupportedModelError: an activation that Torchless does not have is named, or a text to put before each
                query.
            CheckpointError: a file is not what it should be.
        """
        root = root_of(folder)
        saved = read_json(root / _FILE) if root is not None and is_there(root / _FILE) else {}
        if root is None or saved.get("model_type") != "CrossEncoder":
            return cls(_activation(_place_in(config), outputs), None)
        _refuse_prompt(root / _FILE, saved)
        refuse_more_modules(root)
        named = saved.get("activation_fn")
        place = _place_in(config) if named is None else (f"{root / _FILE}, activation_fn", named)
        return cls(_activation(place, outputs), TransformerSettings.read(transformer_folder(root)))


def _place_in(config: Mapping[str, Any]) -> tuple[str, Any]:
    """What config.json names, and where."""
    nested = config.get("sentence_transformers") or {}
    if "activation_fn" in nested:
        return _NESTED, nested["activation_fn"]
    return f"config.json, {_OLD}", config.get(_OLD)


def _activation(place: tuple[str, Any], outputs: int) -> Activation:
    if place[1] is None:
        return "sigmoid" if outputs == 1 else "none"
    return _known(*place)


def _refuse_prompt(path: Path, saved: Mapping[str, Any]) -> None:
    name, prompts = saved.get("default_prompt_name"), saved.get("prompts") or {}
    prompt = prompts.get(name) if isinstance(prompts, Mapping) and isinstance(name, str) else name
    if prompt:
        raise UnsupportedModelError(
            f"{path}, default_prompt_name: expected none, because pairs are read as they are, got {shown(name)}, which "
            f"puts {shown(prompt)} before each query. Remove the field, and put that text there yourself."
        )


def cross_encoder_activation(folder: Path, config: Mapping[str, Any]) -> Activation | None:
    """What a CrossEncoder applies to its logits, for `Classifier` too; None where nothing is named.

    Args:
        folder: of the checkpoint, or of the sentence-transformers model that it is a part of.
        config: config.json.

    Raises:
        UnsupportedModelError: an activation that Torchless does not have is named.
    """
    saved = read_json(folder / _FILE) if is_there(folder / _FILE) else {}
    nested = config.get("sentence_transformers") or {}
    # In the order that sentence-transformers reads them: a file of its own (5.x), then its fields of config.json.
    places = [
        (f"{folder / _FILE}, activation_fn", saved.get("activation_fn")),
        (_NESTED, nested.get("activation_fn")),
        (f"config.json, {_OLD}", config.get(_OLD)),
    ]
    where, named = next((place for place in places if place[1] is not None), ("", None))
    return None if named is None else _known(where, named)


def _known(where: str, named: Any) -> Activation:
    """The activation that a checkpoint names at a place."""
    package, _, name = str(named).rpartition(".")
    if not package.startswith("torch.nn") or name not in _ACTIVATIONS:
        raise UnsupportedModelError(
            f"{where}: expected one of torch's {', '.join(_ACTIVATIONS)}, got {shown(named)}. Remove the field for "
            "scores as transformers' pipeline makes them."
        )
    return _ACTIVATIONS[name]
