"""Which values reach each quantised input, and how they are best laid onto 256 levels."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from torchless.inputs.tokens import Batch
from torchless_export.spec import EncoderSpec, Floats

from .observing import Observer, observing
from .ranges import central_range, smoothing_factors
from .sites import Site, StaticSite, row_site

# Of all values at a site this share keeps its place and the rest is clipped: the outermost few lie so far out that
# giving them levels costs all the others more. Smoothing has already drawn them in, so less is clipped after it.
# docs/decisions/0004-int8.md has the measurements behind these two numbers.
_KEPT, _KEPT_SMOOTHED = 0.9999, 0.99999
_BINS = 8192
# More tokens than this, and more rows for a second moment than so many per column, change little and take long.
_MOST_TOKENS = 65_536
_MOMENT_ROWS, _LEAST_MOMENT_ROWS = 4, 4096


@dataclass(frozen=True)
class Calibration:
    """What int8 needs to know of what comes in.

    Attributes:
        sites: how each site is laid onto uint8.
        moments: sums of x xᵀ over rows, float32 (columns, columns), up to a factor, by the number of the weights that
            they meet; before smoothing.
        shares: the number of the weights that each site feeds.
    """

    sites: Mapping[str, Site]
    moments: Mapping[int, Floats]
    shares: Mapping[str, int]

    def moment(self, site: str) -> Floats:
        """The second moment of what weights behind a site meet, after smoothing: float32 (columns, columns)."""
        layout, moment = self.sites[site], self.moments[self.shares[site]]
        if not isinstance(layout, StaticSite) or layout.smoothing is None:
            return moment
        smoothed: Floats = moment / layout.smoothing[:, None] / layout.smoothing
        return smoothed


def calibrate(spec: EncoderSpec, batch: Batch) -> Calibration:
    """Lay out every quantised input of a model's graphs, by what tokenised text sends through them.

    Two passes: the first finds each channel's extremes and second moments, the second a histogram of the smoothed
    values. The graphs with the head and without it share weights, so they share sites too.

    Args:
        spec: the model.
        batch: the calibration texts; of very many tokens, some texts evenly spread.
    """
    batch = _bounded(batch)
    with observing(spec) as observer:
        sites = observer.sites
        extremes, tops, moments = _look(observer, batch)
        smoothing = {
            site: smoothing_factors(*_together(extremes, sites.shares, site), sites.weights[site])
            for site in sites.tensors
            if _is_smoothed(site)
        }
        static = [site for site in sites.tensors if not _has_rows(site)]
        ranges = _ranges(observer, batch, extremes, smoothing, static)
    found: dict[str, Site] = {
        site: StaticSite(*ranges[site], smoothing.get(site))
        if site in ranges
        else row_site(spec, np.concatenate(tops[site]))
        for site in sites.tensors
    }
    return Calibration(found, moments, dict(sites.shares))


def _is_smoothed(site: str) -> bool:
    # The outputs of layer norms: they are where the outlying channels are, and of the hidden size, so that the extra
    # pass is cheap.
    return site.endswith(".input")


def _has_rows(site: str) -> bool:
    return site.endswith(".hidden")


def _bounded(batch: Batch) -> Batch:
    """Texts of at most so many tokens, evenly spread; at least one."""
    tokens = int(batch.offsets[-1])
    if tokens <= _MOST_TOKENS:
        return batch
    count = max(1, len(batch.lengths) * _MOST_TOKENS // tokens)
    return batch.select(np.linspace(0, len(batch.lengths) - 1, count).astype(np.intp))


Extremes = dict[str, tuple[Floats, Floats]]  # lowest and highest per channel, (columns,), by site


def _look(observer: Observer, batch: Batch) -> tuple[Extremes, dict[str, list[Floats]], dict[int, Floats]]:
    """Extremes; each row's largest value, (rows,), where rows have scales; second moments."""
    extremes: Extremes = {}
    tops: dict[str, list[Floats]] = {}
    moments: dict[int, Floats] = {}
    tokens, shares = int(batch.offsets[-1]), observer.sites.shares
    for site, values in observer.run(batch, observer.sites.tensors):
        low, high = extremes.get(site, (values[0], values[0]))
        extremes[site] = (np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0)))
        if _has_rows(site):
            tops.setdefault(site, []).append(values.max(axis=1))
        columns = values.shape[1]
        every = max(1, tokens // max(_LEAST_MOMENT_ROWS, _MOMENT_ROWS * columns))
        chosen = values[::every]
        moments.setdefault(shares[site], np.zeros((columns, columns), np.float32))[:] += chosen.T @ chosen
    return extremes, tops, moments


def _together(extremes: Extremes, shares: Mapping[str, int], site: str) -> tuple[Floats, Floats]:
    """Extremes over all sites that feed the same weights: weights that are shared can be smoothed in one way only."""
    alike = [extremes[other] for other in extremes if shares[other] == shares[site]]
    return np.min([low for low, _ in alike], axis=0), np.max([high for _, high in alike], axis=0)


def _ranges(
    observer: Observer, batch: Batch, extremes: Extremes, smoothing: Mapping[str, Floats], sites: Collection[str]
) -> dict[str, tuple[float, float]]:
    """What is left of each site's range once its outermost values are clipped, by site."""
    spans = {
        site: (
            float((extremes[site][0] / smoothing.get(site, 1)).min()),
            float((extremes[site][1] / smoothing.get(site, 1)).max()),
        )
        for site in sites
    }
    counts: dict[str, NDArray[np.int64]] = {site: np.zeros(_BINS, np.int64) for site in sites}
    for site, values in observer.run(batch, sites):
        counts[site] += np.histogram(values / smoothing.get(site, 1), _BINS, spans[site])[0]
    return {
        site: central_range(counts[site], *spans[site], _KEPT_SMOOTHED if site in smoothing else _KEPT)
        for site in sites
    }
