"""Architectures without a family, through optimum."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoModelForTextEncoding, AutoTokenizer

from torchless import Bundle, Classifier, Encoder, verify
from torchless_export import ExportReport, export
from torchless_export.errors import CheckpointError, UnsupportedModelError
from torchless_export.families import FAMILIES, RandomCheckpoint
from torchless_export.random_checkpoints import FOREIGN, RANDOM_CHECKPOINTS, make
from torchless_export.writers import GraphName

Exported = tuple[Path, Path, ExportReport]
Logits = Callable[..., Any]
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


@pytest.fixture(scope="module")
def roformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An architecture without a family."""
    assert FOREIGN["roformer"].model_type not in FAMILIES
    return make(FOREIGN["roformer"], tmp_path_factory.mktemp("roformer") / "roformer")


@pytest.fixture(scope="module")
def foreign(roformer: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    out = tmp_path_factory.mktemp("optimum") / "bundle"
    return roformer, out, export(roformer, out)


@pytest.mark.optimum
def test_an_architecture_without_a_family_goes_through_optimum(
    foreign: Exported, expected_logits: Logits, sentences: list[str]
) -> None:
    checkpoint, bundle, report = foreign
    expected, _ = expected_logits(checkpoint, sentences[:40])
    classifier = Classifier.load(bundle)
    assert (classifier.precision, classifier.manifest.layout) == ("fp32", "padded")
    np.testing.assert_allclose(classifier.logits(sentences[:40]), expected, atol=1e-4)
    assert report.parity.longest_tokens == 64
    assert verify(bundle)[0].precision == "fp32"
    assert {"onnx/model.onnx", "onnx/model.onnx_data", "onnx/encoder.onnx", "config.json"} <= set(
        Bundle.open(bundle).manifest.files
    )


@pytest.mark.optimum
@pytest.mark.parametrize("graph", ["auto", "padded"])
def test_a_setting_that_a_family_does_not_implement_goes_through_optimum(
    graph: GraphName, broken: Path, configure: Callable[..., None], tmp_path: Path, expected_logits: Logits
) -> None:
    configure(activation="silu")
    said: list[str] = []
    export(broken, tmp_path / "out", graph=graph, say=said.append)
    assert [line for line in said if "fp32 alone: config.json, activation: " in line]
    classifier = Classifier.load(tmp_path / "out")
    assert (list(classifier.manifest.variants), classifier.manifest.layout) == (["fp32"], "padded")
    texts = ["a delight", "two hours of my life"]
    np.testing.assert_allclose(classifier.logits(texts), expected_logits(broken, texts)[0], atol=1e-4)


@pytest.mark.optimum
@pytest.mark.parametrize("name", [name for name in FOREIGN if name != "roformer"])
def test_a_text_answers_alone_and_in_a_batch_as_the_pipeline_does(name: str, tmp_path: Path) -> None:
    """Also where transformers refuses such a batch: rows with other numbers of <eos>, a model without padding."""
    checkpoint = make(FOREIGN[name], tmp_path / "checkpoint")
    tokenizer, model = (
        kind.from_pretrained(checkpoint) for kind in (AutoTokenizer, AutoModelForSequenceClassification)
    )
    end = tokenizer.sep_token
    texts = ["good", "a bad film, and it goes on and on", f"one{end}two{end}three", f"{end}", "so it goes " * 40]
    report = export(checkpoint, tmp_path / "out")
    assert report.parity.longest_tokens == 64
    assert report.parity.pairs
    with torch.inference_mode():
        asked = [tokenizer(text, truncation=True, max_length=64, return_tensors="pt") for text in texts]
        expected = torch.cat([model(**inputs).logits for inputs in asked])
    classifier = Classifier.load(tmp_path / "out")
    np.testing.assert_allclose(classifier.logits(texts), expected, atol=1e-4)
    np.testing.assert_allclose(np.concatenate([classifier.logits([text]) for text in texts]), expected, atol=1e-4)


@pytest.mark.optimum
def test_a_bigbird_is_cut_where_its_attention_would_be_random(tmp_path: Path) -> None:
    settings = {"max_position_embeddings": 128, "block_size": 4, "num_random_blocks": 1}
    said: list[str] = []
    checkpoint = make(replace(FOREIGN["big_bird"], max_tokens=128, settings=settings), tmp_path / "checkpoint")
    assert export(checkpoint, tmp_path / "out", say=said.append).parity.longest_tokens == 28
    assert any("cutting texts at 28 tokens" in line and "original_full" in line for line in said)


@pytest.mark.optimum
@pytest.mark.parametrize(
    ("architecture", "scaling", "limit"),
    [
        ("phi3", {"type": "longrope", "short_factor": [1.0] * 4, "long_factor": [1.0, 2.0, 4.0, 8.0]}, 64),
        ("llama", {"type": "dynamic", "factor": 4.0}, 128),
    ],
)
def test_positions_that_turn_with_the_length_are_cut_where_that_begins(
    architecture: str, scaling: dict[str, Any], limit: int, tmp_path: Path
) -> None:
    """transformers looks at the longest text in Python, which no trace sees."""
    lengths = {"max_position_embeddings": 128, "original_max_position_embeddings": 64}
    settings = {**SIZES, "num_key_value_heads": 4, **lengths, "rope_scaling": scaling}
    kind = RandomCheckpoint(architecture, max_tokens=256, settings=settings)
    said: list[str] = []
    report = export(make(kind, tmp_path / "checkpoint"), tmp_path / "out", say=said.append)
    assert report.parity.longest_tokens == Bundle.open(tmp_path / "out").manifest.max_tokens == limit
    assert any(f"cutting texts at {limit} tokens" in line and "RoPE" in line for line in said)


@pytest.mark.optimum
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"rope_theta": 500.0}, {"rope_theta": 500.0, "rope_type": "default"}),
        (
            {"rope_theta": 500.0, "rope_scaling": {"rope_type": "linear", "factor": 4.0}},
            {"rope_theta": 500.0, "rope_type": "linear", "factor": 4.0},
        ),
    ],
)
def test_rotary_positions_that_transformers_5_saved_turn_as_it_turns_them(
    old: dict[str, Any], new: dict[str, Any], tmp_path: Path
) -> None:
    """Version 4 does not read rope_parameters, and takes its own defaults."""
    settings = {**SIZES, "num_key_value_heads": 4, "max_position_embeddings": 64, **old}
    folder = make(RandomCheckpoint("llama", settings=settings), tmp_path / "checkpoint")
    export(folder, tmp_path / "old")
    config = json.loads((folder / "config.json").read_text())
    kept = {name: value for name, value in config.items() if name not in ("rope_theta", "rope_scaling")}
    (folder / "config.json").write_text(json.dumps({**kept, "rope_parameters": new}))
    export(folder, tmp_path / "new")
    texts = ["good", "a bad film, and it goes on and on"]
    expected, logits = (Classifier.load(tmp_path / name).logits(texts) for name in ("old", "new"))
    np.testing.assert_array_equal(logits, expected)
    (folder / "config.json").write_text(json.dumps({**kept, "rope_parameters": {"full_attention": new}}))
    with pytest.raises(UnsupportedModelError, match=r"rope_parameters: transformers 4.* does not read these"):
        export(folder, tmp_path / "none")


@pytest.mark.optimum
def test_neighbours_change_nothing_in_a_padded_graph_but_last_digits(foreign: Exported, sentences: list[str]) -> None:
    classifier = Classifier.load(foreign[1])
    alone = np.concatenate([classifier.scores([text]) for text in sentences[:12]])
    np.testing.assert_allclose(classifier.scores(sentences[:12]), alone, atol=1e-5)


@pytest.mark.optimum
def test_optimum_writes_a_known_architecture_when_asked(
    tmp_path: Path, expected_logits: Logits, sentences: list[str]
) -> None:
    checkpoint = make(RANDOM_CHECKPOINTS["roberta"], tmp_path / "roberta")
    report = export(checkpoint, tmp_path / "out", graph="optimum")
    assert report.parity.longest_tokens == 64
    expected, _ = expected_logits(checkpoint, sentences[:12])
    np.testing.assert_allclose(Classifier.load(tmp_path / "out").logits(sentences[:12]), expected, atol=2e-5)


@pytest.mark.optimum
def test_other_programs_pad_where_parity_was_proven(tmp_path: Path) -> None:
    """After padding on the left, as this checkpoint's tokenizer says, absolute positions are others."""
    checkpoint = make(RANDOM_CHECKPOINTS["bert"], tmp_path / "bert")
    settings = json.loads((checkpoint / "tokenizer_config.json").read_bytes())
    (checkpoint / "tokenizer_config.json").write_text(json.dumps({**settings, "padding_side": "left"}))
    export(checkpoint, tmp_path / "out", graph="optimum")
    texts = ["good", "a bad film, and it goes on and on"]
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    theirs, ours = (AutoTokenizer.from_pretrained(folder) for folder in (checkpoint, tmp_path / "out"))
    assert (theirs.padding_side, ours.padding_side) == ("left", "right")
    with torch.inference_mode():
        expected = torch.cat([model(**theirs(text, return_tensors="pt")).logits for text in texts])
    session = ort.InferenceSession(tmp_path / "out" / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], dict(ours(texts, padding=True, return_tensors="np")))
    np.testing.assert_allclose(logits, expected, atol=2e-5)


@pytest.mark.optimum
def test_what_optimum_cannot_do_is_refused(roformer: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="int8 needs an architecture with a family"):
        export(roformer, tmp_path / "out", precisions=["int8"])
    with pytest.raises(UnsupportedModelError, match=r"expected one of .*, got 'roformer'\. Use --graph optimum"):
        export(roformer, tmp_path / "out", graph="packed")
    body = tmp_path / "body"
    AutoModelForSequenceClassification.from_pretrained(roformer).base_model.save_pretrained(body)
    AutoTokenizer.from_pretrained(roformer).save_pretrained(body)
    with pytest.raises(CheckpointError, match=r"missing: classifier\.dense\.bias.*--encoder-only"):
        export(body, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.optimum
@pytest.mark.parametrize("name", ["roformer", "bart", "gpt2, no padding"])
def test_a_body_alone_goes_through_optimum(name: str, tmp_path: Path) -> None:
    checkpoint = make(FOREIGN[name], tmp_path / "checkpoint")
    assert export(checkpoint, tmp_path / "out", encoder_only=True).parity.longest_tokens == 64
    assert Encoder.load(tmp_path / "out").embed(["good"]).shape == (1, 32)


@pytest.mark.optimum
@pytest.mark.parametrize("architecture", ["t5", "mt5", "umt5"])
def test_the_body_of_a_t5_is_its_encoder_as_sentence_transformers_loads_it(architecture: str, tmp_path: Path) -> None:
    sizes = {"d_model": 32, "d_ff": 64, "d_kv": 8, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4}
    checkpoint = make(RandomCheckpoint(architecture, settings=sizes), tmp_path / "checkpoint")
    report = export(checkpoint, tmp_path / "out", encoder_only=True)
    assert report.parity.longest_tokens == 64
    model = AutoModelForTextEncoding.from_pretrained(checkpoint).eval()
    with torch.inference_mode():
        expected = model(**AutoTokenizer.from_pretrained(checkpoint)("a good film", return_tensors="pt"))[0][0]
    (states,) = Encoder.load(tmp_path / "out").hidden_states(["a good film"])
    np.testing.assert_allclose(states, expected, atol=1e-4)
