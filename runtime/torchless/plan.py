"""Long lists to batches of a token budget, and answers back in order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .tokens import Batch

# Packed tokens a run. On a CPU matrix products stop gaining beyond a few hundred rows, while activations outgrow the
# cache: measured from 64 to 1024, see docs/decisions/0003-batches.md. A GPU gains up to tens of thousands: 0008.
BUDGET_TOKENS = {"cpu": 256, "cuda": 16_384}


def cut(batch: Batch, budget_tokens: int, *, padded: bool = False) -> Iterator[tuple[NDArray[np.intp], Batch]]:
    """Cut a batch into smaller ones of at most `budget_tokens` (a longer text stands alone).

    Texts of like length go together, because the attention core works on a (texts, longest) rectangle. Where a graph
    is `padded` all of its work does, and the rectangle is what must stay within the budget.

    Yields:
        The places of the texts in `batch`, and their batch.
    """
    lengths = batch.lengths
    if not len(lengths):
        return
    if (int(lengths.max()) * len(lengths) if padded else batch.offsets[-1]) <= budget_tokens:
        yield np.arange(len(lengths)), batch
        return
    order = np.argsort(lengths, kind="stable")
    start, tokens = 0, 0
    for end, length in enumerate(lengths[order]):
        cost = int(length) * (end - start + 1) if padded else tokens + length
        if end > start and cost > budget_tokens:
            yield order[start:end], batch.select(order[start:end])
            start, tokens = end, 0
        tokens += length
    yield order[start:], batch.select(order[start:])
