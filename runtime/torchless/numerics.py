"""The arithmetic after the graph, in numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .manifest import Activation

Floats = NDArray[np.float32]


def softmax(logits: Floats) -> Floats:
    """Softmax over the last axis; the maximum is subtracted first, so no logit overflows."""
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    total: Floats = exp / exp.sum(axis=-1, keepdims=True)
    return total


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), written with tanh, which overflows at neither end."""
    scores: Floats = (0.5 * (1.0 + np.tanh(0.5 * logits))).astype(np.float32, copy=False)
    return scores


def identity(logits: Floats) -> Floats:
    """Logits as they are: what a regression answers."""
    return logits


ACTIVATIONS: dict[Activation, Callable[[Floats], Floats]] = {"softmax": softmax, "sigmoid": sigmoid, "none": identity}


def normalize(vectors: Floats) -> Floats:
    """Scale each row to length 1; a row of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    lengths[lengths == 0] = 1
    scaled: Floats = np.divide(vectors, lengths, dtype=np.float32)
    return scaled


def pool_cls(packed: Floats, offsets: NDArray[np.int64]) -> Floats:
    """The first token's state of each text: packed (tokens, dim) to (texts, dim)."""
    first: Floats = packed[offsets[:-1]]
    return first


def pool_mean(packed: Floats, offsets: NDArray[np.int64]) -> Floats:
    """The mean over the tokens of each text: packed (tokens, dim) to (texts, dim)."""
    sums = np.add.reduceat(packed, offsets[:-1], axis=0)
    mean: Floats = np.divide(sums, np.diff(offsets)[:, None], dtype=np.float32)
    return mean


POOLINGS: dict[str, Callable[[Floats, NDArray[np.int64]], Floats]] = {"cls": pool_cls, "mean": pool_mean}
