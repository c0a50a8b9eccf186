"""A batch as the arrays that a graph takes; docs/bundle.md defines both forms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchless.inputs.tokens import Batch

_ALONE = np.array(False), np.array(True)
# A text alone has no rectangle: these inputs only have to be there.
_NOT_READ = {
    "slots": np.zeros((1, 1), np.int32),
    "rows": np.zeros(1, np.int32),
    "mask": np.zeros((1, 1, 1, 1), np.bool_),
}


def packed(batch: Batch) -> dict[str, NDArray[Any]]:
    """The graph's inputs for a batch, as docs/bundle.md defines them.

    The attention core works on a (texts, longest) rectangle of slots. `slots` says which packed row fills a slot,
    `rows` in which slot a packed row ends up, `mask` which slots hold a token. A text alone is its own rectangle.
    """
    lengths, first = batch.lengths, batch.offsets[:-1]
    feeds: dict[str, NDArray[Any]] = {
        "input_ids": batch.input_ids,
        "type_ids": batch.type_ids,
        "lengths": lengths.astype(np.int32),
        "first": first.astype(np.int32),
        "alone": _ALONE[len(lengths) == 1],
    }
    if len(lengths) == 1:
        return feeds | {"position_ids": np.arange(len(batch.input_ids), dtype=np.int32), **_NOT_READ}
    longest, starts = int(lengths.max()), np.repeat(first, lengths)
    columns, positions = np.arange(longest), np.arange(len(batch.input_ids)) - starts
    filled = columns < lengths[:, None]  # (texts, longest)
    slots = np.where(filled, first[:, None] + columns, 0)
    rows = np.repeat(np.arange(len(lengths)) * longest, lengths) + positions
    return feeds | {
        "position_ids": positions.astype(np.int32),
        "slots": slots.astype(np.int32),
        "rows": rows.astype(np.int32),
        "mask": np.repeat(filled[:, None, None], longest, axis=2),  # (texts, 1, longest, longest)
    }


def padded(batch: Batch, padding_id: int) -> dict[str, NDArray[Any]]:
    """The inputs of a padded graph for a batch: int64 (texts, longest), filled up on the right."""
    lengths = batch.lengths
    filled = np.arange(int(lengths.max())) < lengths[:, None]  # (texts, longest)
    ids, types = np.full(filled.shape, padding_id, np.int64), np.zeros(filled.shape, np.int64)
    ids[filled], types[filled] = batch.input_ids, batch.type_ids
    return {"input_ids": ids, "attention_mask": filled.astype(np.int64), "token_type_ids": types}
