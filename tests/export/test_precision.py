"""The arithmetic of int8, on numbers small enough to check by hand."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from torchless.bundle.manifest import TOKENIZER
from torchless.inputs.tokens import Tokenizer
from torchless_export.checkpoint import Checkpoint
from torchless_export.families import FAMILIES
from torchless_export.graph import build
from torchless_export.precision.calibration import Site, calibrate, central_range, smoothing_factors
from torchless_export.precision.fp32 import Fp32
from torchless_export.precision.int8 import quantize_columns, quantize_rows
from torchless_export.spec import EncoderSpec
from torchless_export.tensors import Tensors
from torchless_export.weights import WeightsFile


@pytest.fixture(scope="module")
def spec(checkpoint: Path) -> EncoderSpec:
    opened = Checkpoint.open(str(checkpoint))
    return FAMILIES["distilbert"](opened.config, Tensors(opened.weights(), "here"), True)


def test_columns_use_seven_bits_because_eight_saturate_on_avx2() -> None:
    weight = np.array([[1.0, -4.0], [0.25, 1.0]], np.float32)
    quantized, scales = quantize_columns(weight)
    np.testing.assert_allclose(scales, [1 / 63, 4 / 63], rtol=1e-6)
    assert quantized.tolist() == [[63, -63], [16, 16]]  # 15.75 rounds up


def test_rows_are_restored_to_half_a_level() -> None:
    table = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    quantized, scales = quantize_rows(table)
    error = np.abs(quantized * scales[:, None] - table).max(axis=1)
    assert (error <= scales * 0.5001).all()


def test_zeros_stay_zero_without_a_scale() -> None:
    for quantize in (quantize_columns, quantize_rows):
        quantized, scales = quantize(np.zeros((3, 3), np.float32))
        assert not quantized.any()
        assert np.isfinite(scales).all()


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


@pytest.mark.parametrize("head", [True, False])
def test_a_graph_is_valid_onnx_but_for_its_contrib_operators(spec: EncoderSpec, head: bool) -> None:
    model = build(spec, Fp32(), WeightsFile("weights"), head=head)
    names = [name for node in model.graph.node for name in node.output]
    assert len(names) == len(set(names))
    assert {opset.domain for opset in model.opset_import} == {"", "com.microsoft"}
    inputs = {node.name for node in model.graph.input}
    assert ("first" in inputs) == head
    assert [node.name for node in model.graph.output] == ["logits" if head else "hidden_states"]


def test_tensors_are_aligned_for_mapping_and_stored_once(spec: EncoderSpec) -> None:
    weights = WeightsFile("weights")
    graphs = [build(spec, Fp32(), weights, head=head) for head in (True, False)]
    places = []
    for model in graphs:
        for tensor in model.graph.initializer:
            data = {entry.key: entry.value for entry in tensor.external_data}
            if data:
                places.append((tensor.name, int(data["offset"]), int(data["length"])))
                assert places[-1][1] % (4096 if places[-1][2] >= 4096 else 64) == 0
    once = sorted(set(places), key=lambda place: place[1])
    assert len({name for name, *_ in places}) == len(once)
    for (_, offset, length), (_, following, _) in pairwise(once):
        assert offset + length <= following
