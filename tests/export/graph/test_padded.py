"""Padded graphs: inputs that other servers send."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

from torchless import Classifier, Encoder, verify
from torchless_export import ExportReport, export
from torchless_export.quality import Gates
from torchless_export.writers import optimum

LENIENT = Gates(max_disagreement=1, max_score_error=1, max_accuracy_drop=1)
Exported = tuple[Path, Path, ExportReport]
Logits = Callable[..., Any]

needs_optimum = pytest.mark.skipif(not optimum.is_installed(), reason="optimum holds transformers at 4.57")


@pytest.fixture(scope="module", params=["bert", "distilbert", "roberta", "modernbert, mean", "deberta-v3"])
def packed(request: pytest.FixtureRequest, exported_random: Callable[[str], Exported]) -> Exported:
    return exported_random(request.param)


@pytest.fixture(scope="module")
def padded(packed: Exported, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The padded graphs of the same checkpoint."""
    out = tmp_path_factory.mktemp("padded") / "bundle"
    return packed[0], out, export(packed[0], out, graph="padded", gates=LENIENT)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_padded_graph_takes_what_transformers_tokenizers_give(
    padded: Exported, expected_logits: Logits, sentences: list[str], side: str
) -> None:
    checkpoint, bundle, _ = padded
    texts = sentences[:12]
    expected, inputs = expected_logits(checkpoint, texts)
    _, given = expected_logits(checkpoint, texts, padding_side=side)
    session = ort.InferenceSession(bundle / "model.onnx", providers=["CPUExecutionProvider"])
    names = {node.name for node in session.get_inputs()}
    assert names == set(inputs)
    (logits,) = session.run(["logits"], {name: given[name] for name in names})
    np.testing.assert_allclose(logits, expected, atol=2e-5)


def test_the_headless_padded_graph_answers_padded_states(
    padded: Exported, expected_logits: Logits, sentences: list[str]
) -> None:
    checkpoint, bundle, _ = padded
    _, inputs = expected_logits(checkpoint, sentences[:5])
    session = ort.InferenceSession(bundle / "encoder.fp32.onnx", providers=["CPUExecutionProvider"])
    (states,) = session.run(["last_hidden_state"], inputs)
    assert states.shape == (*inputs["input_ids"].shape, 32)
    hidden, mask = Encoder.load(bundle, precision="fp32").padded(sentences[:5])
    np.testing.assert_allclose(states * mask[..., None], hidden, atol=2e-5)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_runtime_runs_a_padded_graph_like_a_packed_one(
    packed: Exported, padded: Exported, sentences: list[str], precision: str
) -> None:
    ours, theirs = (Classifier.load(bundle, precision=precision) for _, bundle, _ in (packed, padded))
    assert (ours.manifest.layout, theirs.manifest.layout) == ("packed", "padded")
    np.testing.assert_allclose(
        theirs.logits(sentences), ours.logits(sentences), atol=2e-5 if precision == "fp32" else 0.1
    )


def test_a_bundle_of_padded_graphs_verifies(padded: Exported) -> None:
    assert [replay.precision for replay in verify(padded[1])] == ["fp32", "int8"]


@needs_optimum
def test_optimum_loads_a_padded_bundle_and_agrees(
    padded: Exported, expected_logits: Logits, sentences: list[str]
) -> None:
    from optimum.onnxruntime import ORTModelForSequenceClassification

    checkpoint, bundle, _ = padded
    expected, inputs = expected_logits(checkpoint, sentences[:12])
    model = ORTModelForSequenceClassification.from_pretrained(bundle, file_name="model.onnx")
    logits = model(**{name: torch.from_numpy(array) for name, array in inputs.items()}).logits
    np.testing.assert_allclose(logits, expected, atol=2e-5)
    assert model.config.id2label[2] == "positive"
