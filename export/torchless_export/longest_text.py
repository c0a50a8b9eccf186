"""The longest text of parity: as long as the model reads, or as PyTorch can run in about half a minute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .reference import Reference

_OPERATIONS = 2e12  # of a pass: half a minute on two cores
_SCORES = 2**29  # of attention in memory at once, as float32: 2 GiB


def longest_text(reference: Reference, texts: Sequence[str], max_tokens: int) -> list[str]:
    """One text at the limit, made of others; none where one of them is as long already.

    For a model that is too large for this it has fewer tokens: as many as PyTorch can run in about half a minute.

    Args:
        reference: PyTorch's model.
        texts: some with tokens.
        max_tokens: the limit.
    """
    most = min(max_tokens, _affordable(reference.model))
    lengths = [len(row) for row in reference.input_ids(texts)]
    if max(lengths) >= most:
        return []
    joined = " ".join(texts) + " "
    tokens = sum(lengths) - len(texts) * reference.tokenizer.num_special_tokens_to_add()
    characters = len(joined) * most // max(tokens, 1)
    if most == max_tokens:  # beyond it, to be cut there
        characters *= 2
    return [(joined * (characters // len(joined) + 1))[:characters]]


def _affordable(model: Any) -> int:
    """How many tokens a text may have: attention costs their square, everything else as much for each."""
    layers, heads = _size(model.config, "num_hidden_layers"), _size(model.config, "num_attention_heads")
    width = _size(model.config, "hidden_size", 768)
    each = 2 * sum(weight.numel() for name, weight in model.named_parameters() if "embed" not in name)
    squared = 4 * layers * width
    by_time = (math.sqrt(each**2 + 4 * squared * _OPERATIONS) - each) / (2 * squared)
    return int(min(by_time, math.sqrt(_SCORES / heads)))


def _size(config: Any, name: str, usual: int = 12) -> int:
    """A number of config.json; a usual one where an architecture has none, or one for each layer."""
    value = getattr(config, name, None)
    return value if isinstance(value, int) and value > 0 else usual
