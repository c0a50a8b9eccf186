"""Where int8's scales come from, on numbers small enough to check by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from torchless.bundle.manifest import TOKENIZER
from torchless.inputs.tokens import Tokenizer
from torchless_export.checkpoint import Checkpoint
from torchless_export.families import FAMILIES
from torchless_export.precision.calibration import Site, calibrate, central_range, smoothing_factors
from torchless_export.spec import EncoderSpec
from torchless_export.tensors import Tensors


@pytest.fixture(scope="module")
def spec(checkpoint: Path) -> EncoderSpec:
    opened = Checkpoint.open(str(checkpoint))
    return FAMILIES["distilbert"](opened.config, Tensors(opened.weights(), "here"), True)


@pytest.mark.parametrize(("low", "high"), [(-1, 3), (0.5, 2), (-3, -1), (0, 0)])
def test_every_site_represents_zero_exactly_and_its_range_closely(low: float, high: float) -> None:
    scale, zero_point = Site(low, high, None).affine()
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
    batch = Tokenizer(tiny / TOKENIZER, 64).encode(sentences)
    sites = calibrate(spec, batch, head=True, known_smoothing={})
    assert len(sites) == 4 * len(spec.layers) + 1
    hidden = sites["layers.0.ffn.hidden"]
    assert -0.18 < hidden.low < 0  # GELU never falls below -0.17
    assert hidden.high > 0
    assert hidden.smoothing is None
    assert sites["layers.0.ffn.input"].smoothing is not None


def test_the_two_graphs_smooth_alike_because_they_share_weights(
    spec: EncoderSpec, tiny: Path, sentences: list[str]
) -> None:
    batch = Tokenizer(tiny / TOKENIZER, 64).encode(sentences[:20])
    known = {"layers.1.ffn.input": np.full(32, 2, np.float32)}
    sites = calibrate(spec, batch, head=True, known_smoothing=known)
    assert sites["layers.1.ffn.input"].smoothing is known["layers.1.ffn.input"]
