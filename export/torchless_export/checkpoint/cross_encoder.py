"""The activation that sentence-transformers' CrossEncoder was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torchless.bundle.manifest import Activation
from torchless_export.errors import UnsupportedModelError

from .json_files import read_json

_FILE = "config_sentence_transformers.json"
_ACTIVATIONS: dict[str, Activation] = {"Identity": "none", "Sigmoid": "sigmoid", "Softmax": "softmax"}


def cross_encoder_activation(folder: Path, config: Mapping[str, Any]) -> Activation | None:
    """What a CrossEncoder applies to its logits; None where nothing is named.

    Args:
        folder: of the checkpoint, or of the sentence-transformers model that it is a part of.
        config: config.json.

    Raises:
        UnsupportedModelError: an activation that Torchless does not have is named.
    """
    saved = read_json(folder / _FILE) if (folder / _FILE).is_file() else {}
    nested, old = config.get("sentence_transformers") or {}, "sbert_ce_default_activation_function"
    # In the order that sentence-transformers reads them: a file of its own (5.x), then its fields of config.json.
    places = [
        (f"{folder / _FILE}, activation_fn", saved.get("activation_fn")),
        ("config.json, sentence_transformers.activation_fn", nested.get("activation_fn")),
        (f"config.json, {old}", config.get(old)),
    ]
    where, named = next((place for place in places if place[1] is not None), ("", None))
    if named is None:
        return None
    package, _, name = str(named).rpartition(".")
    if not package.startswith("torch.nn") or name not in _ACTIVATIONS:
        raise UnsupportedModelError(
            f"{where}: expected one of torch's {', '.join(_ACTIVATIONS)}, got {named!r}. Remove the field for "
            "scores as transformers' pipeline makes them."
        )
    return _ACTIVATIONS[name]
