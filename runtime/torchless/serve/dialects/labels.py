"""Labels with their scores, best first, for the dialects that answer with both."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from torchless.answers.ranking import best_first

_ROWS = 64


class Scored(msgspec.Struct):
    """A label and its score."""

    score: float
    label: str


def rank(labels: Sequence[str], rows: NDArray[np.float32], top_k: int | None = None) -> list[list[Scored]]:
    """The labels of every row of scores (texts, labels), best first: all of them, or the `top_k` best."""
    ranked: list[list[Scored]] = []
    for place in range(0, len(rows), _ROWS):  # one call for all rows would stop other threads for too long
        piece = rows[place : place + _ROWS]
        ranked += [
            [Scored(scores[index], labels[index]) for index in indexes]
            for scores, indexes in zip(piece.tolist(), best_first(piece, top_k), strict=True)
        ]
    return ranked
