"""Scores to labels, best first, above a threshold."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from torchless.bundle.manifest import Activation
from torchless.errors import InputError, shown
from torchless.inputs.arguments import whole_number

Threshold = float | Mapping[str, float]
_FEW = 64  # scores
_PIECE = 256  # texts


@dataclass(frozen=True)
class Prediction:
    """A label and its score.

    Attributes:
        label: one of the manifest's labels.
        score: in [0, 1] for softmax and sigmoid; any number for a regression.
        truncated: the text was longer than the model takes, and the rest was not read.
        windows: how many windows the text was read in.
    """

    label: str
    score: float
    truncated: bool
    windows: int = 1


@dataclass(frozen=True)
class Answers:
    """What a classifier answers to n texts.

    Attributes:
        scores: float32 (n, labels).
        truncated: bool (n,). True where a text was longer than the model takes, and the rest was not read.
        windows: int64 (n,). How many windows each text was read in.
    """

    scores: NDArray[np.float32]
    truncated: NDArray[np.bool_]
    windows: NDArray[np.int64]


class Ranking:
    """The labels of every text, best first: at most `top_k` of them, none with a score below its threshold."""

    def __init__(
        self, labels: Sequence[str], activation: Activation, top_k: int | None, threshold: Threshold | None = None
    ) -> None:
        """Check what was asked for, before any text is read.

        Raises:
            InputError: top_k is less than 1, or the threshold is not one of `Classifier.rank`.
        """
        self._labels = labels
        if top_k is not None:
            top_k = whole_number(top_k, "top_k", "a whole number of 1 or more, or None for all", sys.maxsize)
        self._top_k = top_k
        self._least = None if threshold is None else _least(threshold, labels, activation)

    def of(self, answers: Answers) -> list[list[Prediction]]:
        """The predictions for each text, best first; equals keep the order of the manifest."""
        ranked: list[list[Prediction]] = []
        for start in range(0, len(answers.scores), _PIECE):  # Python's numbers take ten times numpy's memory
            piece = slice(start, start + _PIECE)
            ranked += self._of(answers.scores[piece], answers.truncated[piece], answers.windows[piece])
        return ranked

    def _of(
        self, scores: NDArray[np.float32], truncated: NDArray[np.bool_], windows: NDArray[np.int64]
    ) -> list[list[Prediction]]:
        order = best_first(scores, self._top_k if self._least is None else None)
        rows = zip(scores.tolist(), order, truncated.tolist(), windows.tolist(), strict=True)
        return [
            [Prediction(self._labels[i], row[i], cut, count) for i in self._chosen(row, columns)]
            for row, columns, cut, count in rows
        ]

    def _chosen(self, row: list[float], columns: list[int]) -> list[int]:
        if self._least is None:
            return columns
        return [i for i in columns if row[i] >= self._least[i]][: self._top_k]


def best_first(scores: NDArray[np.floating], top_k: int | None = None) -> list[list[int]]:
    """The columns of every row of scores (n, columns), best first, at most `top_k`; equals keep their order.

    A few scores Python sorts: numpy lets other threads run while it sorts, and a server's event loop would wait 50 µs
    for its turn.
    """
    if scores.size > _FEW:
        best: list[list[int]] = np.argsort(-scores, axis=1, kind="stable")[:, :top_k].tolist()
        return best
    return [sorted(range(len(row)), key=row.__getitem__, reverse=True)[:top_k] for row in scores.tolist()]


def _least(threshold: Threshold, labels: Sequence[str], activation: Activation) -> list[float]:
    """The least score of each label."""
    if not isinstance(threshold, Mapping):
        return [_limit(threshold, "threshold", activation)] * len(labels)
    for name in threshold:
        if name not in labels:
            raise InputError(f"threshold: there is no label {shown(name)}; the labels are {', '.join(labels)}.")
    for name in labels:
        if name not in threshold:
            raise InputError(f"threshold: expected a number for every label, got none for {shown(name)}.")
    return [_limit(threshold[name], f"threshold[{shown(name)}]", activation) for name in labels]


def _limit(value: object, where: str, activation: Activation) -> float:
    number = math.nan
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        with suppress(Exception):  # an integer that no float holds, or a span of time, which numpy counts as integers
            number = float(value)
    if activation == "none":
        valid, expected = math.isfinite(number), "a finite number"
    else:
        valid, expected = 0 <= number <= 1, "a number from 0 to 1"
    if not valid:
        raise InputError(f"{where}: expected {expected}, got {shown(value)}.")
    return number
