"""Padded taggers: what optimum and transformers.js find in a bundle, from our graphs and from optimum's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from torchless import Bundle, Encoder, TokenClassifier, verify
from torchless_export import ExportReport, export
from torchless_export.families import FAMILIES
from torchless_export.families.random_checkpoint import RandomCheckpoint
from torchless_export.random_checkpoints import FOREIGN, RANDOM_CHECKPOINTS, TAGS, make

Exported = tuple[Path, Path, ExportReport]
# Without a family; each with something of its own in the way of tracing it.
OTHERS = {
    **{name: FOREIGN[name] for name in ("mobilebert", "longformer", "gpt2, no padding")},
    "xlnet": RandomCheckpoint("xlnet", settings={"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64}),
}


@pytest.fixture(scope="module", params=["bert", "roberta", "modernbert"])
def padded(
    request: pytest.FixtureRequest, exported_tagger: Callable[[str], Exported], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    checkpoint, _, _ = exported_tagger(request.param)
    out = tmp_path_factory.mktemp("padded") / "bundle"
    export(checkpoint, out, graph="padded", precisions=["fp32"])
    return checkpoint, out


def inputs_of(checkpoint: Path, texts: list[str], side: str = "right") -> dict[str, Any]:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, padding_side=side)
    return dict(tokenizer(texts, padding=True, truncation=True, return_tensors="np"))


def pytorch(checkpoint: Path, text: str) -> Any:
    model = AutoModelForTokenClassification.from_pretrained(checkpoint).eval()
    with torch.inference_mode():
        return model(**AutoTokenizer.from_pretrained(checkpoint)(text, truncation=True, return_tensors="pt")).logits[0]


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_logits_stand_where_their_tokens_stand(
    padded: tuple[Path, Path], sentences: list[str], side: str
) -> None:
    checkpoint, bundle = padded
    inputs = inputs_of(checkpoint, sentences[:12], side)
    session = ort.InferenceSession(bundle / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    given = {node.name: inputs[node.name].astype(np.int64) for node in session.get_inputs()}
    (logits,) = session.run(["logits"], given)
    assert logits.shape == (*inputs["input_ids"].shape, len(TAGS))
    for row, mask, text in zip(logits, inputs["attention_mask"], sentences, strict=False):
        np.testing.assert_allclose(row[mask == 1], pytorch(checkpoint, text), atol=2e-5)
        assert not row[mask == 0].any()


def test_a_padded_tagger_says_what_it_is(padded: tuple[Path, Path], sentences: list[str]) -> None:
    bundle = padded[1]
    config = json.loads((bundle / "config.json").read_text())
    assert config["architectures"][0].endswith("ForTokenClassification")
    assert [config["id2label"][str(index)] for index in range(5)] == list(TAGS)
    files = set(Bundle.open(bundle).manifest.files)
    assert {"onnx/model.onnx", "onnx/model.onnx_data", "onnx/encoder.onnx"} <= files
    assert Bundle.open(bundle).manifest.kind == "token_classifier"
    assert [report.precision for report in verify(bundle)] == ["fp32"]
    tagger = TokenClassifier.load(bundle)
    alone = np.concatenate([tagger.logits([text])[0] for text in sentences[:8]])
    np.testing.assert_allclose(np.concatenate(tagger.logits(sentences[:8])), alone, atol=1e-6)
    assert Encoder.load(bundle).embed(["good"]).shape == (1, 32)


@pytest.mark.optimum
def test_optimum_loads_a_padded_tagger_and_agrees(padded: tuple[Path, Path], sentences: list[str]) -> None:
    from optimum.onnxruntime import ORTModelForTokenClassification

    checkpoint, bundle = padded
    inputs = inputs_of(checkpoint, sentences[:4])
    model = ORTModelForTokenClassification.from_pretrained(bundle)  # the file is found by its name
    logits = model(**{name: torch.from_numpy(array) for name, array in inputs.items()}).logits
    for row, mask, text in zip(logits, inputs["attention_mask"], sentences, strict=False):
        np.testing.assert_allclose(row[mask == 1], pytorch(checkpoint, text), atol=2e-5)


@pytest.mark.optimum
@pytest.mark.parametrize("name", OTHERS)
def test_an_architecture_without_a_family_tags_through_optimum(name: str, tmp_path: Path, sentences: list[str]) -> None:
    assert OTHERS[name].model_type not in FAMILIES
    checkpoint = make(OTHERS[name], tmp_path / "checkpoint", tagger=True)
    report = export(checkpoint, tmp_path / "out")
    assert report.parity.max_logit_difference is not None
    tagger = TokenClassifier.load(tmp_path / "out")
    assert (tagger.precision, tagger.manifest.layout) == ("fp32", "padded")
    for text, logits in zip(sentences[:6], tagger.logits(sentences[:6]), strict=True):
        np.testing.assert_allclose(logits, pytorch(checkpoint, text), atol=1e-4)


@pytest.mark.optimum
def test_a_family_s_tagger_through_optimum_is_the_same(
    exported_tagger: Callable[[str], Exported], tmp_path: Path, sentences: list[str]
) -> None:
    checkpoint, bundle, _ = exported_tagger("electra")
    assert RANDOM_CHECKPOINTS["electra"].model_type in FAMILIES
    export(checkpoint, tmp_path / "out", graph="optimum")
    ours, traced = (TokenClassifier.load(path, precision="fp32") for path in (bundle, tmp_path / "out"))
    expected = np.concatenate(ours.logits(sentences[:6]))
    np.testing.assert_allclose(np.concatenate(traced.logits(sentences[:6])), expected, atol=1e-4)
