"""Weights in 8 bits, rounded so that a product's error is smallest on the values that really come in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from torchless_export.spec import Floats

# AVX2 adds the products of two neighbouring inputs in 16 bits (vpmaddubsw), and saturates beyond 32,767
# (microsoft/onnxruntime#6004). Inputs reach 255, so two neighbouring weights may have 128 together.
_PAIR_MAX, _WEIGHT_MAX = 128, 127
_ROW_MAX = 127
_DAMPING = 0.01  # share of the mean second moment that is added to each, GPTQ's own
_BLOCK = 128


@dataclass(frozen=True)
class Rounding:
    """In which order inputs are rounded, and how those still to come make up for an error.

    Attributes:
        order: the inputs, those with the largest values first, (in,).
        factor: the upper U with UᵀU = the inverse of the inputs' second moment, in that order, float32 (in, in).
    """

    order: NDArray[np.int64]
    factor: Floats

    @classmethod
    def on(cls, moment: Floats) -> Rounding:
        """The rounding whose products err least on inputs of a second moment, float32 (in, in), up to a factor."""
        strength = np.diag(moment)
        order = np.argsort(-strength, kind="stable")
        ordered = moment[np.ix_(order, order)].astype(np.float64)
        # The Cholesky factor of the matrix turned upside down, turned back, is an upper R with R Rᵀ = moment; U is R⁻¹.
        upper = _cholesky(ordered[::-1, ::-1], _DAMPING * float(strength.mean()) or 1.0)[::-1, ::-1]
        return cls(order, np.linalg.inv(upper).astype(np.float32))


def round_columns(weight: Floats, rounding: Rounding) -> tuple[NDArray[np.int8], Floats]:
    """Symmetric, one scale per output column, by GPTQ (arXiv:2210.17323).

    Args:
        weight: float32 (in, out).
        rounding: on the inputs' second moment.

    Returns:
        Levels, int8 (in, out), and scales, float32 (out,). No two neighbouring inputs of a column have levels of more
        than 128 together.
    """
    padded = np.abs(np.concatenate([weight, np.zeros_like(weight[: len(weight) % 2])]))
    largest = np.maximum(padded.max(axis=0) / _WEIGHT_MAX, (padded[::2] + padded[1::2]).max(axis=0) / _PAIR_MAX)
    scales: Floats = np.where(largest == 0, 1, largest).astype(np.float32)
    return _round_in_order((weight / scales).astype(np.float32), rounding), scales


def round_rows(table: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Symmetric per row: table (rows, columns) to int8 (rows, columns) in [-127, 127] and scales (rows,)."""
    largest = np.abs(table).max(axis=1)
    # A row of zeros (padding) has no scale of its own; any keeps it zero.
    scales: Floats = np.where(largest == 0, 1, largest / _ROW_MAX).astype(np.float32)
    return np.rint(table / scales[:, None]).astype(np.int8), scales


def _cholesky(moment: NDArray[np.float64], damping: float) -> NDArray[np.floating]:
    """The lower factor of a moment with damping on its diagonal: as much as it takes where sums were rounded."""
    damped = moment.copy()
    while True:
        damped[np.diag_indices_from(damped)] = moment.diagonal() + damping
        try:
            return np.linalg.cholesky(damped)
        except np.linalg.LinAlgError:
            damping *= 10
            if not np.isfinite(damping):
                raise


def _round_in_order(exact: Floats, rounding: Rounding) -> NDArray[np.int8]:
    """Round one input after another; the inputs still to come make up for its error (GPTQ, algorithm 1)."""
    order, factor = rounding.order, rounding.factor
    left, levels = exact[order], np.zeros_like(exact)
    for start in range(0, len(order), _BLOCK):
        end = min(start + _BLOCK, len(order))
        errors = np.empty_like(left[start:end])
        for at in range(start, end):
            neighbour = order[at] ^ 1  # level 0 until it is rounded
            taken = np.abs(levels[neighbour]) if neighbour < len(levels) else 0
            most = np.minimum(_WEIGHT_MAX, _PAIR_MAX - taken)
            levels[order[at]] = np.clip(np.rint(left[at]), -most, most)
            errors[at - start] = (left[at] - levels[order[at]]) / factor[at, at]
            left[at + 1 : end] -= factor[at, at + 1 : end, None] * errors[at - start]
        left[end:] -= factor[start:end, end:].T @ errors
    return levels.astype(np.int8)
