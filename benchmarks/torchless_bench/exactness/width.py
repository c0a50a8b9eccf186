"""A BERT body made twice as wide that computes the same: trained weights of base size from those of MiniLM.

Net2WiderNet (Chen, Goodfellow, Shlens: Net2Net, 2016): each number stands twice in the states, and what reads both
takes a random share of each, so that the two learn different things from then on.
"""

from __future__ import annotations

import math
from typing import Any

_LEAST_SHARE = 0.25


def twice_as_wide(bert: Any) -> Any:
    """A BertModel with twice the numbers per state and per head, and as many heads and layers.

    Args:
        bert: a transformers BertModel; MiniLM-L6's becomes as large as DistilBERT-base.

    Returns:
        A BertModel whose hidden states are those of `bert`, twice side by side.
    """
    import torch
    from transformers import BertModel

    config = type(bert.config)(**bert.config.to_dict())
    config.hidden_size, config.intermediate_size = 2 * config.hidden_size, 2 * config.intermediate_size
    chance = torch.Generator().manual_seed(0)
    wide = {name: _wide(name, tensor, config.num_attention_heads, chance) for name, tensor in bert.state_dict().items()}
    model = BertModel(config)
    model.load_state_dict(wide)
    return model


def _wide(name: str, tensor: Any, heads: int, chance: Any) -> Any:
    if not tensor.is_floating_point():  # position_ids of old versions
        return tensor
    if "LayerNorm" in name:
        return _copied(tensor, 0, 1)
    if name.endswith("embeddings.weight"):
        return _copied(tensor, 1, 1)
    rows = heads if ".self." in name else 1  # the copies of a head stand within the head
    found = _copied(tensor, 0, rows)
    if name.endswith(".weight"):
        found = _shared(found, heads if "attention.output" in name else 1, chance)
    # Of twice the numbers, a query's product with a key is twice as large, and is divided by a root of 2 more.
    return found / math.sqrt(2) if ".query." in name else found


def _copied(tensor: Any, dim: int, groups: int) -> Any:
    """Each number twice along a dimension, the copies of a group behind the group."""
    import torch

    grouped = tensor.unflatten(dim, (groups, -1))
    return torch.cat([grouped, grouped], dim + 1).flatten(dim, dim + 1)


def _shared(weight: Any, groups: int, chance: Any) -> Any:
    """Columns for both copies, whose sum is the column that there was."""
    import torch

    grouped = weight.unflatten(1, (groups, -1))
    share = _LEAST_SHARE + (1 - 2 * _LEAST_SHARE) * torch.rand(grouped.shape, generator=chance)
    return torch.cat([grouped * share, grouped * (1 - share)], 2).flatten(1, 2)
