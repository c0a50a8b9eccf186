"""Standard graphs: padded inputs, for other servers, and for architectures without a family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from torchless import Bundle, Classifier, Encoder, verify
from torchless.errors import InputError
from torchless_bench.random_checkpoints import FOREIGN, ROWS, make
from torchless_export import ExportReport, export
from torchless_export.engines import optimum
from torchless_export.errors import CheckpointError, UnsupportedModelError
from torchless_export.families import FAMILIES
from torchless_export.quality import Gates

LENIENT = Gates(max_disagreement=1, max_accuracy_drop=1)
Exported = tuple[Path, Path, ExportReport]

needs_optimum = pytest.mark.skipif(not optimum.is_installed(), reason="optimum holds transformers at 4.57")


def expected_logits(checkpoint: Path, texts: list[str], **tokenizer: Any) -> Any:
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    inputs = AutoTokenizer.from_pretrained(checkpoint, **tokenizer)(
        texts, padding=True, truncation=True, return_tensors="pt"
    )
    with torch.inference_mode():
        return model(**inputs).logits.numpy(), {name: array.numpy() for name, array in inputs.items()}


@pytest.fixture(scope="module", params=["bert", "distilbert", "roberta", "modernbert, mean", "deberta-v3"])
def packed(request: pytest.FixtureRequest, exported_row: Callable[[str], Exported]) -> Exported:
    return exported_row(request.param)


@pytest.fixture(scope="module")
def lean(packed: Exported, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The standard graphs of the same checkpoint."""
    out = tmp_path_factory.mktemp("standard") / "bundle"
    return packed[0], out, export(packed[0], out, graph="standard", gates=LENIENT)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_standard_graph_takes_what_transformers_tokenizers_give(
    lean: Exported, sentences: list[str], side: str
) -> None:
    checkpoint, bundle, _ = lean
    texts = sentences[:12]
    expected, inputs = expected_logits(checkpoint, texts)
    _, padded = expected_logits(checkpoint, texts, padding_side=side)
    session = ort.InferenceSession(bundle / "model.onnx", providers=["CPUExecutionProvider"])
    names = {node.name for node in session.get_inputs()}
    assert names == set(inputs)
    (logits,) = session.run(["logits"], {name: padded[name] for name in names})
    np.testing.assert_allclose(logits, expected, atol=2e-5)


def test_the_headless_standard_graph_answers_padded_states(lean: Exported, sentences: list[str]) -> None:
    checkpoint, bundle, _ = lean
    _, inputs = expected_logits(checkpoint, sentences[:5])
    session = ort.InferenceSession(bundle / "encoder.fp32.onnx", providers=["CPUExecutionProvider"])
    (states,) = session.run(["last_hidden_state"], inputs)
    assert states.shape == (*inputs["input_ids"].shape, 32)
    hidden, mask = Encoder.load(bundle, precision="fp32").padded(sentences[:5])
    np.testing.assert_allclose(states * mask[..., None], hidden, atol=2e-5)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_runtime_runs_a_standard_graph_like_a_packed_one(
    packed: Exported, lean: Exported, sentences: list[str], precision: str
) -> None:
    ours, padded = (Classifier.load(bundle, precision=precision) for _, bundle, _ in (packed, lean))
    assert (ours.manifest.layout, padded.manifest.layout) == ("packed", "padded")
    np.testing.assert_allclose(
        padded.logits(sentences), ours.logits(sentences), atol=2e-5 if precision == "fp32" else 0.1
    )


def test_a_bundle_of_standard_graphs_verifies(lean: Exported) -> None:
    assert [replay.precision for replay in verify(lean[1])] == ["fp32", "int8"]


@needs_optimum
def test_optimum_loads_a_standard_bundle_and_agrees(lean: Exported, sentences: list[str]) -> None:
    from optimum.onnxruntime import ORTModelForSequenceClassification

    checkpoint, bundle, _ = lean
    expected, inputs = expected_logits(checkpoint, sentences[:12])
    model = ORTModelForSequenceClassification.from_pretrained(bundle, file_name="model.onnx")
    logits = model(**{name: torch.from_numpy(array) for name, array in inputs.items()}).logits
    np.testing.assert_allclose(logits, expected, atol=2e-5)
    assert model.config.id2label[2] == "positive"


@pytest.fixture(scope="module")
def roformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An architecture without a family."""
    assert FOREIGN["roformer"].model_type not in FAMILIES
    return make(FOREIGN["roformer"], tmp_path_factory.mktemp("roformer") / "roformer")


@pytest.fixture(scope="module")
def foreign(roformer: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    out = tmp_path_factory.mktemp("optimum") / "bundle"
    return roformer, out, export(roformer, out)


@needs_optimum
def test_an_architecture_without_a_family_goes_through_optimum(foreign: Exported, sentences: list[str]) -> None:
    checkpoint, bundle, report = foreign
    expected, _ = expected_logits(checkpoint, sentences[:40])
    classifier = Classifier.load(bundle)
    assert (classifier.precision, classifier.manifest.layout) == ("fp32", "padded")
    np.testing.assert_allclose(classifier.logits(sentences[:40]), expected, atol=1e-4)
    assert report.parity.longest_tokens == 64
    assert verify(bundle)[0].precision == "fp32"
    assert {"model.onnx", "encoder.fp32.onnx", "config.json"} <= set(Bundle.open(bundle).manifest.files)


@needs_optimum
def test_neighbours_change_nothing_in_a_padded_graph_but_last_digits(foreign: Exported, sentences: list[str]) -> None:
    classifier = Classifier.load(foreign[1])
    alone = np.concatenate([classifier.scores([text]) for text in sentences[:12]])
    np.testing.assert_allclose(classifier.scores(sentences[:12]), alone, atol=1e-5)


@needs_optimum
def test_optimum_writes_a_known_architecture_when_asked(tmp_path: Path, sentences: list[str]) -> None:
    checkpoint = make(ROWS["roberta"], tmp_path / "roberta")
    report = export(checkpoint, tmp_path / "out", engine="optimum")
    assert report.parity.longest_tokens == 64
    expected, _ = expected_logits(checkpoint, sentences[:12])
    np.testing.assert_allclose(Classifier.load(tmp_path / "out").logits(sentences[:12]), expected, atol=2e-5)


@needs_optimum
def test_what_optimum_cannot_do_is_refused(roformer: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="int8 needs an architecture with a family"):
        export(roformer, tmp_path / "out", precisions=["int8"])
    with pytest.raises(InputError, match="optimum writes standard graphs only"):
        export(roformer, tmp_path / "out", graph="lean")
    body = tmp_path / "body"
    AutoModelForSequenceClassification.from_pretrained(roformer).base_model.save_pretrained(body)
    AutoTokenizer.from_pretrained(roformer).save_pretrained(body)
    with pytest.raises(CheckpointError, match=r"missing: classifier\.dense\.bias.*--encoder-only"):
        export(body, tmp_path / "out")
    assert not (tmp_path / "out").exists()
