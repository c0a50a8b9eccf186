"""How families read a config: what is not understood is refused, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchless_export.checkpoint.limits import MOST_TOKENS, too_many_positions
from torchless_export.errors import UnsupportedModelError
from torchless_export.spec import HiddenActivation

# Where a config, as families get it, has `Checkpoint.stated_length`; no field of config.json has this name.
STATED_LENGTH = "the longest text that is stated"
NULL_IS_A_VALUE = "local_rope_theta"  # of ModernBERT: then it is global_rope_theta
# transformers' names for them (transformers/activations.py).
_ACTIVATIONS: dict[str, HiddenActivation] = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "tanh": "tanh",
}


class WithDefaults(dict[str, Any]):
    """The fields of config.json; for one that it lacks, the alias or the default that transformers takes."""

    def __missing__(self, field: str) -> Any:
        """Raises KeyError where transformers has no default either."""
        from transformers import CONFIG_MAPPING

        kind = CONFIG_MAPPING[self["model_type"]]
        alias = next((name for name, meant in kind.attribute_map.items() if meant == field and name in self), None)
        if alias is not None:
            return self[alias]
        try:
            return getattr(kind(), field)
        except AttributeError:
            raise KeyError(field) from None


def activation(config: Mapping[str, Any], field: str, default: str = "gelu") -> HiddenActivation:
    """The activation that a field of config.json names; transformers' default where it is absent."""
    name = config.get(field, default)
    if name not in _ACTIVATIONS:
        raise UnsupportedModelError(f"config.json, {field}: expected one of {', '.join(_ACTIVATIONS)}, got {name!r}.")
    return _ACTIVATIONS[name]


def longest_text(config: Mapping[str, Any]) -> int:
    """Largest number of tokens in a text for a model without a table of positions, which reads any number.

    It is the stated length where a model was tuned for longer texts than its config names, or where the config names
    more than anybody reads.

    Raises:
        UnsupportedModelError: it does, and nothing states a length.
    """
    positions, stated = int(config["max_position_embeddings"]), int(config.get(STATED_LENGTH, 0))
    if positions <= MOST_TOKENS:
        return max(positions, stated)
    if stated:
        return stated
    raise too_many_positions(positions)


def expect(config: Mapping[str, Any], **fields: Any) -> None:
    """Refuse a field that is there with another value than the one that the family implements."""
    for field, value in fields.items():
        if config.get(field, value) != value:
            raise UnsupportedModelError(
                f"config.json, {field}: expected {value!r}, the one that Torchless implements for this architecture, "
                f"got {config[field]!r}."
            )
