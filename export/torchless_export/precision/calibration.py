"""Which values reach each quantised input, and how they are best laid onto 256 levels."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from torchless.inputs.tokens import Batch
from torchless.running.plan import split
from torchless.running.session import Session
from torchless_export.graph import Graph, build
from torchless_export.spec import EncoderSpec, Floats, Linear
from torchless_export.weights import WeightsFile

from .fp32 import Fp32

# Of all values at a site this share keeps its place and the rest is clipped: the outermost few lie so far out that
# giving them levels costs all the others more. Smoothing has already drawn them in, so less is clipped after it.
# docs/decisions/0004-int8.md has the measurements behind these three numbers.
_KEPT, _KEPT_SMOOTHED = 0.9999, 0.99999
_MIGRATION = 0.5
_BINS = 8192


@dataclass(frozen=True)
class Site:
    """How one quantised input is laid onto uint8.

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


def calibrate(spec: EncoderSpec, batch: Batch, *, head: bool, known_smoothing: Mapping[str, Floats]) -> dict[str, Site]:
    """Lay out every quantised input of a graph, by what tokenised text sends through it.

    Two passes: the first finds each channel's extremes, the second a histogram of the smoothed values.

    Args:
        spec: the model.
        batch: the calibration texts.
        head: calibrate the graph with the head, whose last layer sees fewer tokens than the headless one.
        known_smoothing: factors by site that the other graph uses already: smoothing is part of the weights, and the
            two graphs share those.
    """
    with tempfile.TemporaryDirectory() as folder:
        session, observing = _observing_session(spec, Path(folder), head=head)
        channels = _channel_extremes(session, observing, batch)
        met = _shared_extremes(channels, observing.shares)
        smoothing = {
            site: known_smoothing.get(site, smoothing_factors(*met[site], observing.weights[site]))
            for site in observing.sites
            if _is_smoothed(site)
        }
        spans = {
            site: (float((low / smoothing.get(site, 1)).min()), float((high / smoothing.get(site, 1)).max()))
            for site, (low, high) in channels.items()
        }
        counts = {site: np.zeros(_BINS, np.int64) for site in observing.sites}
        for site, values in _observe(session, observing, batch):
            counts[site] += np.histogram(values / smoothing.get(site, 1), _BINS, spans[site])[0]
    return {
        site: Site(
            *central_range(counts[site], *spans[site], _KEPT_SMOOTHED if site in smoothing else _KEPT),
            smoothing.get(site),
        )
        for site in observing.sites
    }


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


def _is_smoothed(site: str) -> bool:
    # The outputs of layer norms: they are where the outlying channels are, and of the hidden size, so that the extra
    # pass is cheap.
    return site.endswith(".input")


class _Observing(Fp32):
    """An fp32 graph that remembers the tensors which int8 would quantise, and the weights that each meets."""

    def __init__(self) -> None:
        self.sites: dict[str, str] = {}
        self.weights: dict[str, Floats] = {}
        self.shares: dict[str, int] = {}

    def enter(self, graph: Graph, name: str, x: str) -> str:  # noqa: ARG002
        self.sites[name] = x
        return x

    def linear(self, graph: Graph, name: str, x: str, site: str, linear: Linear) -> str:
        self.shares.setdefault(site, id(linear.weight))  # sites with one number feed the same weights
        largest = np.abs(linear.weight).max(axis=1)
        self.weights[site] = np.maximum(self.weights.get(site, largest), largest)
        return super().linear(graph, name, x, site, linear)


def _observing_session(spec: EncoderSpec, folder: Path, *, head: bool) -> tuple[Session, _Observing]:
    """An fp32 graph whose outputs are the values at each site, in the sites' order."""
    observing, weights = _Observing(), WeightsFile("weights")
    model = build(spec, observing, weights, head=head)
    del model.graph.output[:]
    for tensor in observing.sites.values():
        model.graph.output.append(onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None))
    weights.write(folder)
    path = folder / "graph.onnx"
    path.write_bytes(model.SerializeToString())
    return Session(path, device="cpu", threads=None), observing


def _observe(session: Session, observing: _Observing, batch: Batch) -> Iterator[tuple[str, Floats]]:
    """(site, values (rows, columns)), batch by batch."""
    for _, part in split(batch, session.budget):
        for site, values in zip(observing.sites, session.outputs(part), strict=True):
            yield site, values.reshape(-1, values.shape[-1])


def _channel_extremes(session: Session, observing: _Observing, batch: Batch) -> dict[str, tuple[Floats, Floats]]:
    extremes: dict[str, tuple[Floats, Floats]] = {}
    for site, values in _observe(session, observing, batch):
        low, high = extremes.get(site, (values[0], values[0]))
        extremes[site] = (np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0)))
    return extremes


def _shared_extremes(
    channels: Mapping[str, tuple[Floats, Floats]], shares: Mapping[str, int]
) -> dict[str, tuple[Floats, Floats]]:
    """Extremes over all sites that feed the same weights: weights that are shared can be smoothed in one way only."""
    together: dict[int, tuple[Floats, Floats]] = {}
    for site, (low, high) in channels.items():
        lowest, highest = together.get(shares[site], (low, high))
        together[shares[site]] = (np.minimum(lowest, low), np.maximum(highest, high))
    return {site: together[shares[site]] for site in channels}
