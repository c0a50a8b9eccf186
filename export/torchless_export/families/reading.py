"""How families read a config and a head: what is not understood is refused, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchless_export.errors import CheckpointError, UnsupportedModelError
from torchless_export.spec import Activation
from torchless_export.tensors import Tensors

# transformers' names for them (transformers/activations.py).
_ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "tanh": "tanh",
}


def activation(config: Mapping[str, Any], field: str, default: str = "gelu") -> Activation:
    """The activation that a field of config.json names; transformers' default where it is absent."""
    name = config.get(field, default)
    if name not in _ACTIVATIONS:
        raise UnsupportedModelError(f"config.json, {field}: expected one of {', '.join(_ACTIVATIONS)}, got {name!r}.")
    return _ACTIVATIONS[name]


def expect(config: Mapping[str, Any], **fields: Any) -> None:
    """Refuse a field that is there with another value than the one that the family implements."""
    for field, value in fields.items():
        if config.get(field, value) != value:
            raise UnsupportedModelError(
                f"config.json, {field}: expected {value!r}, the one that Torchless implements for this architecture, "
                f"got {config[field]!r}."
            )


def require_head(tensors: Tensors, model: str, *names: str) -> None:
    """Refuse a checkpoint without the tensors of a classification head; `model` is transformers' class with it."""
    missing = [name for name in names if name not in tensors]
    if missing:
        raise CheckpointError(
            f"the checkpoint has no classification head: {' and '.join(missing)} missing. Fine-tune it with "
            f"{model} first, or export the body alone with --encoder-only."
        )
