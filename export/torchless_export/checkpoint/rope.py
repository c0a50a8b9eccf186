"""Rotary positions of checkpoints that transformers 5 saved, for version 4, which takes defaults in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchless_export.errors import UnsupportedModelError

_PLAIN = ("rope_theta", "partial_rotary_factor")
# Version 4's names for the theta of each kind of layer.
_BY_LAYER = {
    "gemma3_text": {"full_attention": "rope_theta", "sliding_attention": "rope_local_base_freq"},
    "modernbert": {"full_attention": "global_rope_theta", "sliding_attention": "local_rope_theta"},
    "modernbert-decoder": {"full_attention": "global_rope_theta", "sliding_attention": "local_rope_theta"},
}


def rope_for_this_version(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of config.json that the installed transformers needs for `rope_parameters`; none under version 5.

    Raises:
        UnsupportedModelError: version 4 has no fields for them.
    """
    import transformers

    given = config.get("rope_parameters")
    if not given or "rope_theta" in config or not transformers.__version__.startswith("4."):
        return {}
    if not any(isinstance(value, Mapping) for value in given.values()):
        scaling = {name: value for name, value in given.items() if name not in _PLAIN}
        scaled = {} if scaling.get("rope_type", "default") == "default" else {"rope_scaling": scaling}
        return {**{name: given[name] for name in _PLAIN if name in given}, **scaled}
    names = _BY_LAYER.get(config["model_type"], {})
    kinds = [layers.get("rope_type", "default") for layers in given.values()]
    if set(given) <= set(names) and set(kinds) == {"default"}:
        return {names[layers]: fields["rope_theta"] for layers, fields in given.items()}
    raise UnsupportedModelError(
        f"config.json, rope_parameters: transformers {transformers.__version__} does not read these, which version 5 "
        f"wrote, got {given!r}. Save the checkpoint with version 4."
    )
