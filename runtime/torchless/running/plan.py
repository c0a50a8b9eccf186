"""Long lists are split into batches within a token budget; places say where each answer belongs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from torchless.inputs.tokens import Batch


@dataclass(frozen=True)
class Budget:
    """What one run should cost at most.

    Attributes:
        tokens: packed; of a padded graph, the slots of its rectangle.
        waste: pairs of slots in the attention core's rectangles beyond the pairs of tokens that attend to each other.
    """

    tokens: int
    waste: int


# On a CPU matrix products stop gaining beyond a few hundred rows, while activations outgrow the cache: measured from 64
# to 1024, see docs/decisions/0003-batches.md. So many wasted pairs take as long as one more run: 0009. A GPU gains up
# to tens of thousands of tokens: 0008.
BUDGETS = {"cpu": Budget(256, 10_000), "cuda": Budget(16_384, 4_000_000)}


def split(batch: Batch, budget: Budget, *, padded: bool = False) -> Iterator[tuple[NDArray[np.intp], Batch]]:
    """Split a batch into smaller ones within a budget (a longer text stands alone).

    Texts of like length go together, because the attention core works on a (texts, longest) rectangle. Where a graph
    is `padded` all of its work does, and the rectangle is what must stay within the budget.

    Yields:
        The places of the texts in `batch`, and their batch.
    """
    lengths = batch.lengths
    if len(lengths) <= 1:
        if len(lengths):
            yield np.arange(1), batch
        return
    longest = int(lengths.max())
    waste = 0 if padded else longest * longest * len(lengths) - int(lengths @ lengths)
    cost = longest * len(lengths) if padded else int(batch.offsets[-1])
    if cost <= budget.tokens and waste <= budget.waste:
        yield np.arange(len(lengths)), batch
        return
    order = np.argsort(lengths, kind="stable")
    start = tokens = squares = 0
    for end, length in enumerate(lengths[order].tolist()):
        texts = end - start + 1
        cost = length * texts if padded else tokens + length
        waste = 0 if padded else length * length * (texts - 1) - squares
        if texts > 1 and (cost > budget.tokens or waste > budget.waste):
            yield order[start:end], batch.select(order[start:end])
            start, tokens, squares = end, 0, 0
        tokens += length
        squares += length * length
    yield order[start:], batch.select(order[start:])
