"""How the input of a quantised product is laid onto uint8."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from torchless_export.spec import EncoderSpec, Floats, HiddenActivation

# How far an activation falls below 0, rounded up: GELU is -0.16997 at -0.7518, its tanh approximation -0.17004 at
# -0.7525.
_DEPTH: dict[HiddenActivation, float] = {"gelu": 0.1701, "gelu_tanh": 0.1701, "relu": 0.0}
_ZERO_POINTS = (4, 64)
_SMALLEST = 1e-8  # a row of zeros is divided by this


@dataclass(frozen=True)
class StaticSite:
    """One scale for every row, found by calibration.

    Attributes:
        low: the smallest value that has a level, after smoothing.
        high: the largest.
        smoothing: what each channel is divided by first, float32 (columns,); None where nothing is.
    """

    low: float
    high: float
    smoothing: Floats | None

    def affine(self) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Scale and zero point of `x ≈ scale * (q - zero_point)`, q in 0..255; 0 is represented exactly."""
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        scale = (high - low) / 255 or 1.0
        return np.array(scale, np.float32), np.array(round(-low / scale), np.uint8)


@dataclass(frozen=True)
class RowSite:
    """A scale for each row, taken from that row alone, so that an answer still depends on its own text alone.

    Attributes:
        zero_point: the level that stands for 0 in every row. A row's largest value has level 255.
        smallest: the smallest scale that a row has, so that level 0 reaches as far below 0 as values do.
        signed: whether values have no such bound below 0: then the largest absolute value counts.
    """

    zero_point: int
    smallest: float
    signed: bool = False


Site = StaticSite | RowSite


def row_site(spec: EncoderSpec, tops: NDArray[np.float32]) -> RowSite:
    """The site of the feed-forward part's hidden values.

    Their largest differ tenfold from token to token, and most of int8's error came from one step for all of them
    (docs/decisions/0060-a-scale-per-row.md).

    Args:
        spec: the model.
        tops: the largest value of each row that calibration saw there, (rows,).
    """
    if any(layer.gate is not None for layer in spec.layers) or spec.activation not in _DEPTH:
        return RowSite(128, _SMALLEST, signed=True)
    depth = _DEPTH[spec.activation]
    if not depth:
        return RowSite(0, _SMALLEST)
    # What suits the middle row: a smaller one has a finer step than the others in any case.
    middle = max(float(np.median(tops)), 0.0)
    zero_point = int(np.clip(round(255 * depth / (middle + depth)), *_ZERO_POINTS))
    return RowSite(zero_point, depth / zero_point)
