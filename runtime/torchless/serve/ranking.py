"""Scores to labels, best first, for the dialects that answer with both."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray


class Scored(msgspec.Struct):
    """A label and its score."""

    score: float
    label: str


def rank(labels: Sequence[str], rows: NDArray[np.float32], top_k: int | None = None) -> list[list[Scored]]:
    """The labels of every row, best first; equals keep the order of the manifest, as in `Classifier.rank`."""
    ranked = [sorted(map(Scored, row, labels), key=_score, reverse=True) for row in rows.tolist()]
    return ranked if top_k is None else [row[:top_k] for row in ranked]


def _score(scored: Scored) -> float:
    return scored.score
