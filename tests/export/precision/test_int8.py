"""What int8 graphs answer: near fp32 for every activation, and the same alone and in a batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from torchless.bundle.manifest import TOKENIZER
from torchless.inputs.tokens import Batch, Tokenizer
from torchless.running.session import Session
from torchless_export.graph import NumberFormat, build
from torchless_export.precision.calibration import calibrate
from torchless_export.precision.fp32 import Fp32
from torchless_export.precision.int8 import Int8
from torchless_export.spec import EncoderSpec, Floats, Linear
from torchless_export.weights import WeightsFile


@pytest.fixture(scope="module")
def batch(tiny: Path, sentences: list[str]) -> Batch:
    return Tokenizer(tiny / TOKENIZER, 64).encode(sentences[:24])


def _with(spec: EncoderSpec, kind: str) -> EncoderSpec:
    """The model with another kind of feed-forward part, its values large enough to matter."""
    rng = np.random.default_rng(3)

    def linear(like: Linear) -> Linear:
        drawn = rng.normal(0, 0.6, like.weight.shape), rng.normal(0, 0.3, like.bias.shape)
        return Linear(*(each.astype(np.float32) for each in drawn))

    layers = tuple(
        replace(layer, up=linear(layer.up), down=linear(layer.down), gate=linear(layer.up) if kind == "gated" else None)
        for layer in spec.layers
    )
    return replace(spec, layers=layers, activation="gelu" if kind == "gated" else kind)  # type: ignore[arg-type]


def _states(spec: EncoderSpec, numbers: NumberFormat, folder: Path, batch: Batch) -> Floats:
    weights = WeightsFile("weights")
    path = folder / f"{type(numbers).__name__}.onnx"
    path.write_bytes(build(spec, numbers, weights, head=False).SerializeToString())
    weights.write(folder)
    (states,) = Session(path, device="cpu", threads=1).outputs(batch)
    return states


@pytest.mark.parametrize("kind", ["gelu", "gelu_tanh", "relu", "tanh", "gated"])
def test_int8_stays_near_fp32_for_every_kind_of_feed_forward_part(
    spec: EncoderSpec, batch: Batch, tmp_path: Path, kind: str
) -> None:
    spec = _with(spec, kind)
    exact = _states(spec, Fp32(), tmp_path, batch)
    rounded = _states(spec, Int8(calibrate(spec, batch)), tmp_path, batch)
    error = np.sqrt(np.square(exact - rounded).mean() / exact.var())
    assert 0 < error < 0.05


@pytest.mark.parametrize("kind", ["gelu", "relu", "gated"])
def test_a_row_is_answered_the_same_whatever_runs_beside_it(
    spec: EncoderSpec, batch: Batch, tmp_path: Path, kind: str
) -> None:
    spec = _with(spec, kind)
    numbers = Int8(calibrate(spec, batch))
    together = _states(spec, numbers, tmp_path, batch)
    for text in (0, 7, 23):
        rows = slice(batch.offsets[text], batch.offsets[text + 1])
        alone = _states(spec, numbers, tmp_path, batch.select(np.array([text])))
        np.testing.assert_array_equal(alone, together[rows])


def test_a_text_far_beyond_what_calibration_saw_is_not_cut_off(spec: EncoderSpec, batch: Batch, tmp_path: Path) -> None:
    """A static range clips it; a row's own scale follows it."""
    spec = _with(spec, "gelu")
    numbers = Int8(calibrate(spec, batch.select(np.arange(2))))
    exact, rounded = _states(spec, Fp32(), tmp_path, batch), _states(spec, numbers, tmp_path, batch)
    assert np.sqrt(np.square(exact - rounded).mean() / exact.var()) < 0.05
