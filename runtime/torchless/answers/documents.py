"""Scores to documents, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .ranking import best_first


@dataclass(frozen=True)
class Ranked:
    """A document's place in the list that was given, and its score.

    Attributes:
        index: which document, counted from 0.
        score: how well it answers the query; in [0, 1] under a sigmoid, any number under no activation.
        truncated: query and document were longer than the model takes together, and the rest was not read.
    """

    index: int
    score: float
    truncated: bool = False


def ranked_documents(
    scores: NDArray[np.float32], truncated: Sequence[bool] | NDArray[np.bool_], top_k: int | None
) -> list[Ranked]:
    """The documents of scores (n,), best first, at most `top_k` of them; equals keep their order."""
    (best,) = best_first(scores[None], top_k)
    return [Ranked(index, float(scores[index]), bool(truncated[index])) for index in best]
