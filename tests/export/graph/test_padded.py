"""Padded graphs: inputs that other servers send."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

from torchless import Bundle, Classifier, Encoder, verify
from torchless.errors import OutputError
from torchless_export import ExportReport, export
from torchless_export.file_names import POOLING
from torchless_export.quality import Gates

LENIENT = Gates(max_disagreement=1, max_score_error=1, max_accuracy_drop=1)
Exported = tuple[Path, Path, ExportReport]
Logits = Callable[..., Any]


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
    session = ort.InferenceSession(bundle / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    names = {node.name for node in session.get_inputs()}
    assert names == set(inputs)
    (logits,) = session.run(["logits"], {name: given[name] for name in names})
    np.testing.assert_allclose(logits, expected, atol=2e-5)


def test_the_headless_padded_graph_answers_padded_states(
    padded: Exported, expected_logits: Logits, sentences: list[str]
) -> None:
    checkpoint, bundle, _ = padded
    _, inputs = expected_logits(checkpoint, sentences[:5])
    session = ort.InferenceSession(bundle / "onnx" / "encoder.onnx", providers=["CPUExecutionProvider"])
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


def test_a_padded_bundle_lies_as_others_fetch_it(padded: Exported) -> None:
    manifest = Bundle.open(padded[1]).manifest
    assert manifest.format_version == 2
    assert [name for name in manifest.files if name.startswith("onnx/")] == [
        *("onnx/encoder.onnx", "onnx/encoder_quantized.onnx"),
        *("onnx/model.onnx", "onnx/model.onnx_data"),
        *("onnx/model_quantized.onnx", "onnx/model_quantized.onnx_data"),
    ]
    config = json.loads((padded[1] / "config.json").read_bytes())
    ours = {"use_external_data_format": {"model.onnx": True, "model_quantized.onnx": True}}
    assert config.pop("transformers.js_config") == ours
    assert list(config["id2label"].values()) == list(manifest.labels)
    # DistilBERT has other names for these two, which Text Embeddings Inference does not know.
    assert config.pop("hidden_size") == 32
    assert config.pop("num_hidden_layers") in (2, 3)
    assert config.items() <= json.loads((padded[0] / "config.json").read_bytes()).items()


def test_a_padded_encoder_says_how_it_is_pooled(padded: Exported, tmp_path: Path) -> None:
    export(padded[0], tmp_path / "out", graph="padded", encoder_only=True, precisions=["int8"], gates=LENIENT)
    config, pooling = (json.loads((tmp_path / "out" / name).read_bytes()) for name in ("config.json", POOLING))
    assert "ForSequence" not in config["architectures"][0]
    assert (pooling["word_embedding_dimension"], pooling["pooling_mode_mean_tokens"]) == (32, True)
    assert config["transformers.js_config"]["dtype"] == "q8"
    assert verify(tmp_path / "out")


def test_a_padded_bundle_of_an_earlier_version_loads(padded: Exported, tmp_path: Path, sentences: list[str]) -> None:
    """Format 1: all files in the bundle's own folder."""
    flat = tmp_path / "flat"
    shutil.copytree(padded[1], flat)
    manifest = Bundle.open(flat).manifest
    for path in (flat / "onnx").iterdir():
        path.rename(flat / path.name)
    (flat / "onnx").rmdir()
    variants = {
        precision: replace(variant, **{kind: Path(name).name for kind, name in asdict(variant).items() if name})
        for precision, variant in manifest.variants.items()
    }
    files = {Path(name).name: each for name, each in manifest.files.items()}
    older = replace(manifest, variants=variants, files=files, activation_scales="static")
    assert older.format_version == 1
    (flat / "manifest.json").write_bytes(older.to_bytes())
    assert [replay.precision for replay in verify(flat)] == ["fp32", "int8"]
    expected = Classifier.load(padded[1]).logits(sentences[:8])
    np.testing.assert_array_equal(Classifier.load(flat).logits(sentences[:8]), expected)


def test_an_older_padded_bundle_is_replaced(padded: Exported, tmp_path: Path) -> None:
    shutil.copytree(padded[1], tmp_path / "out")
    export(padded[0], tmp_path / "out", graph="padded", precisions=["fp32"])
    assert list(Bundle.open(tmp_path / "out").manifest.variants) == ["fp32"]
    (tmp_path / "out" / "onnx" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"it holds onnx/notes\.txt\. Name another folder"):
        export(padded[0], tmp_path / "out", graph="padded", precisions=["fp32"])


@pytest.mark.optimum
def test_optimum_loads_a_padded_bundle_and_agrees(
    padded: Exported, expected_logits: Logits, sentences: list[str]
) -> None:
    from optimum.onnxruntime import ORTModelForSequenceClassification

    checkpoint, bundle, _ = padded
    expected, inputs = expected_logits(checkpoint, sentences[:12])
    model = ORTModelForSequenceClassification.from_pretrained(bundle)  # the file is found by its name
    logits = model(**{name: torch.from_numpy(array) for name, array in inputs.items()}).logits
    np.testing.assert_allclose(logits, expected, atol=2e-5)
    assert model.config.id2label[2] == "positive"
