"""Where int8's scales come from, on numbers small enough to check by hand."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from torchless.bundle.manifest import TOKENIZER
from torchless.inputs.tokens import Batch, Tokenizer
from torchless_export.precision.calibration import calibrate
from torchless_export.precision.observing import Observer
from torchless_export.precision.ranges import central_range, smoothing_factors
from torchless_export.precision.sites import RowSite, StaticSite
from torchless_export.spec import EncoderSpec, Floats, HiddenActivation


@pytest.mark.parametrize(("low", "high"), [(-1, 3), (0.5, 2), (-3, -1), (0, 0)])
def test_every_site_represents_zero_exactly_and_its_range_closely(low: float, high: float) -> None:
    scale, zero_point = StaticSite(low, high, None).affine()
    levels = scale * (np.arange(256) - int(zero_point))
    assert 0 in levels
    assert levels.min() <= min(low, 0) + float(scale)
    assert levels.max() >= max(high, 0) - float(scale)


def test_central_range_cuts_both_tails_alike() -> None:
    counts = np.ones(1000, np.int64)
    low, high = central_range(counts, 0.0, 10.0, kept=0.9)
    assert low == pytest.approx(0.5, abs=0.02)
    assert high == pytest.approx(9.5, abs=0.02)
    assert central_range(counts, 0.0, 10.0, kept=1.0) == (0.0, 10.0)


def test_smoothing_draws_in_the_outlying_channel_and_changes_no_product() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(64, 8)).astype(np.float32)
    x[:, 3] *= 40
    weight = rng.normal(size=(8, 5)).astype(np.float32)
    factors = smoothing_factors(x.min(axis=0), x.max(axis=0), np.abs(weight).max(axis=1))
    np.testing.assert_allclose((x / factors) @ (weight * factors[:, None]), x @ weight, rtol=1e-4, atol=1e-4)
    spread = [np.abs(values).max(axis=0).max() / np.abs(values).max(axis=0).min() for values in (x, x / factors)]
    assert spread[1] < spread[0] / 3


def test_calibration_finds_what_the_sites_really_see(spec: EncoderSpec, tiny: Path, sentences: list[str]) -> None:
    sites = calibrate(spec, Tokenizer(tiny / TOKENIZER, 64).encode(sentences)).sites
    assert len(sites) == 4 * len(spec.layers) + 1
    mixed, read = sites["layers.0.attention.mixed"], sites["layers.0.ffn.input"]
    assert isinstance(mixed, StaticSite)
    assert mixed.low < 0 < mixed.high
    assert mixed.smoothing is None
    assert isinstance(read, StaticSite)
    assert read.smoothing is not None


@pytest.mark.parametrize(
    ("activation", "depth", "signed"),
    [("gelu", 0.17, False), ("gelu_tanh", 0.17005, False), ("relu", 0, False), ("tanh", None, True)],
)
def test_every_row_of_hidden_values_reaches_down_to_the_least_value_of_its_activation(
    spec: EncoderSpec,
    tiny: Path,
    sentences: list[str],
    activation: HiddenActivation,
    depth: float | None,
    signed: bool,
) -> None:
    batch = Tokenizer(tiny / TOKENIZER, 64).encode(sentences[:20])
    site = calibrate(replace(spec, activation=activation), batch).sites["layers.0.ffn.hidden"]
    assert isinstance(site, RowSite)
    assert site.signed == signed
    if depth is None:
        assert site.zero_point == 128
    else:
        assert site.zero_point * site.smallest >= depth


def test_many_long_texts_cost_no_more_than_some_of_them(
    spec: EncoderSpec, tiny: Path, sentences: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    run = Observer.run

    def counted(observer: Observer, batch: Batch, sites: Collection[str]) -> Iterator[tuple[str, Floats]]:
        seen.append(int(batch.offsets[-1]))
        return run(observer, batch.select(np.arange(8)), sites)  # what they cost, without paying it

    monkeypatch.setattr(Observer, "run", counted)
    calibrate(spec, Tokenizer(tiny / TOKENIZER, 64).encode([" ".join(sentences[:20])] * 1500))
    assert len(seen) == 2
    assert all(60_000 < tokens <= 65_536 for tokens in seen)
