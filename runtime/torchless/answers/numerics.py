"""The arithmetic after the graph, in numpy. Whatever `numpy.seterr` says, its results tell: see `running/finite.py`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from torchless.bundle.manifest import Activation, Pooling
from torchless.inputs.windows import Combination, Windows

Floats = NDArray[np.float32]


def softmax(logits: Floats) -> Floats:
    """Softmax over the last axis; the maximum is subtracted first, so no logit overflows."""
    with np.errstate(all="ignore"):
        largest: Floats = np.maximum.reduce(logits, axis=-1, keepdims=True, initial=-np.inf)
        exp = np.exp(logits - largest)
        total: Floats = exp / np.add.reduce(exp, axis=-1, keepdims=True)
    return total


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), written so that it overflows at neither end and keeps every digit of the small scores."""
    with np.errstate(all="ignore"):
        small = np.exp(-np.abs(logits))
        scores: Floats = (np.where(logits < 0, small, 1) / (1 + small)).astype(np.float32, copy=False)
    return scores


def identity(logits: Floats) -> Floats:
    """Logits as they are: what a regression answers."""
    return logits


ACTIVATIONS: dict[Activation, Callable[[Floats], Floats]] = {"softmax": softmax, "sigmoid": sigmoid, "none": identity}


def normalize(vectors: Floats) -> Floats:
    """Scale each row to length 1; a row of zeros stays as it is."""
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        if not np.isfinite(lengths).all():  # the squares of large numbers overflow float32
            lengths = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)
        lengths[lengths == 0] = 1
        scaled: Floats = np.divide(vectors, lengths, dtype=lengths.dtype).astype(np.float32, copy=False)
    return scaled


def cosines(a: Floats, b: Floats) -> NDArray[np.float64]:
    """Cosine of each row of `a` with the same row of `b`: (n, hidden_size) twice to (n,).

    In float64, because float32 cannot tell 1 - 1e-7 from 1. A row of zeros has a cosine of 0 with every other.
    """
    exact_a, exact_b = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(exact_a, axis=1) * np.linalg.norm(exact_b, axis=1)
    found: NDArray[np.float64] = (exact_a * exact_b).sum(axis=1) / np.maximum(lengths, 1e-30)
    return found


def pool_first(rows: Floats, offsets: NDArray[np.int64]) -> Floats:
    """The first row of each group: rows (rows, columns) to (groups, columns)."""
    first: Floats = rows[offsets[:-1]]
    return first


def pool_mean(rows: Floats, offsets: NDArray[np.int64]) -> Floats:
    """The mean over the rows of each group: rows (rows, columns) to (groups, columns)."""
    with np.errstate(all="ignore"):
        sums = np.add.reduceat(rows, offsets[:-1], axis=0)
        mean: Floats = np.divide(sums, np.diff(offsets)[:, None], dtype=np.float32)
    return mean


def pool_max(rows: Floats, offsets: NDArray[np.int64]) -> Floats:
    """The largest value of each column in each group: rows (rows, columns) to (groups, columns)."""
    largest: Floats = np.maximum.reduceat(rows, offsets[:-1], axis=0)
    return largest


Pool = Callable[[Floats, NDArray[np.int64]], Floats]
# From the states of a text's tokens to its vector, as sentence-transformers names and defines them.
POOLINGS: dict[Pooling, Pool] = {"cls": pool_first, "mean": pool_mean, "max": pool_max}
# How the answers of a text's windows become one answer.
COMBINATIONS: dict[Combination, Pool] = {"first": pool_first, "mean": pool_mean, "max": pool_max}


def combined(rows: Floats, offsets: NDArray[np.int64], windows: Windows | None) -> Floats:
    """One row per text from the rows of its windows: those from offsets[i] to offsets[i + 1]."""
    return rows if windows is None else COMBINATIONS[windows.combine](rows, offsets)
