"""Which range of a site's values gets levels, and how its channels are made alike first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torchless_export.spec import Floats

_MIGRATION = 0.5


def smoothing_factors(low: Floats, high: Floats, weights: Floats) -> Floats:
    """Per channel sqrt(max|x| / max|w|), scaled to a geometric mean of 1 (SmoothQuant, arXiv:2211.10438, eq. 4).

    A few channels of a layer norm's output are ten times larger than the rest. Dividing activations by these factors
    and multiplying the weights by them leaves the product as it is, and the levels evenly used.

    Args:
        low: smallest value of each input channel, (columns,).
        high: largest value of each input channel, (columns,).
        weights: largest absolute weight that each input channel meets, (columns,).
    """
    activations = np.maximum(np.maximum(np.abs(low), np.abs(high)), 1e-3)
    factors = activations**_MIGRATION / np.maximum(weights, 1e-3) ** (1 - _MIGRATION)
    smoothed: Floats = (factors / np.exp(np.log(factors).mean())).astype(np.float32)
    return smoothed


def central_range(counts: NDArray[np.int64], low: float, high: float, kept: float) -> tuple[float, float]:
    """Cut equally many of the smallest and of the largest values of a histogram, until the share `kept` is left."""
    edges = np.linspace(low, high, len(counts) + 1)
    below = np.cumsum(counts) / counts.sum()
    tail = (1 - kept) / 2
    first, last = int(np.searchsorted(below, tail)), int(np.searchsorted(below, 1 - tail))
    return float(edges[first]), float(edges[min(last + 1, len(counts))])
