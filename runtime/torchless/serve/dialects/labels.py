"""Labels with their scores, best first, for the dialects that answer with both."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from torchless.ranking import best_first


class Scored(msgspec.Struct):
    """A label and its score."""

    score: float
    label: str


def rank(labels: Sequence[str], rows: NDArray[np.float32], top_k: int | None = None) -> list[list[Scored]]:
    """The labels of every row of scores (texts, labels), best first: all of them, or the `top_k` best."""
    ranked = []
    for row, order in zip(rows, best_first(rows)[:, :top_k], strict=True):
        scores: list[float] = row.tolist()
        ranked.append([Scored(scores[index], labels[index]) for index in order.tolist()])
    return ranked
