"""A model that computes the same with fewer operations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from torchless.bundle.manifest import TOKENIZER
from torchless.inputs.tokens import Tokenizer
from torchless.running.session import Session
from torchless_export.graph import build
from torchless_export.precision.folding import without_down_biases
from torchless_export.precision.fp32 import Fp32
from torchless_export.spec import EncoderSpec, Floats, Linear
from torchless_export.weights import WeightsFile


def _states(spec: EncoderSpec, folder: Path, texts: list[str], tokenizer: Tokenizer) -> Floats:
    weights = WeightsFile("weights")
    (folder / "graph.onnx").write_bytes(build(spec, Fp32(), weights, head=False).SerializeToString())
    weights.write(folder)
    (states,) = Session(folder / "graph.onnx", device="cpu", threads=1).outputs(tokenizer.encode(texts))
    return states


def _with_large_biases(spec: EncoderSpec) -> EncoderSpec:
    rng = np.random.default_rng(5)
    return replace(
        spec,
        layers=tuple(
            replace(layer, down=Linear(layer.down.weight, rng.normal(size=layer.down.bias.shape).astype(np.float32)))
            for layer in spec.layers
        ),
    )


def test_a_bias_in_the_norm_before_its_part_changes_no_answer(
    spec: EncoderSpec, tiny: Path, sentences: list[str], tmp_path: Path
) -> None:
    tokenizer, spec = Tokenizer(tiny / TOKENIZER, 64), _with_large_biases(spec)
    folded = without_down_biases(spec)
    assert not any(layer.down.bias.any() for layer in folded.layers)
    before, after = (_states(each, tmp_path, sentences[:10], tokenizer) for each in (spec, folded))
    np.testing.assert_allclose(after, before, atol=2e-5)


def test_norms_that_stand_first_keep_their_shift(spec: EncoderSpec) -> None:
    spec = replace(_with_large_biases(spec), norm_first=True)
    assert without_down_biases(spec) is spec
