"""The class of the head, leftovers of other heads, and a CrossEncoder's activation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from torchless import Classifier, Encoder
from torchless_export import export
from torchless_export.checkpoint import Checkpoint
from torchless_export.checkpoint.notes import notes
from torchless_export.errors import UnsupportedModelError

Configure = Callable[..., None]
IDENTITY, SIGMOID = "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid"
SAVED = "config_sentence_transformers.json"


@pytest.mark.parametrize(
    "architecture",
    [
        "BertForQuestionAnswering",
        "RobertaForMaskedLM",
        "BertForPreTraining",
        "BertForNextSentencePrediction",
        "DebertaV2ForMultipleChoice",
        "GPT2LMHeadModel",
        "BartForConditionalGeneration",
    ],
)
def test_a_head_for_something_else_is_refused_and_its_body_exports(
    broken: Path, configure: Configure, tmp_path: Path, architecture: str
) -> None:
    configure(architectures=[architecture])
    with pytest.raises(UnsupportedModelError, match=rf"architectures: expected .*, got {architecture}.*--encoder-only"):
        export(broken, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    if architecture == "BertForPreTraining":  # one stands for all
        export(broken, tmp_path / "body", encoder_only=True, precisions=["fp32"])
        assert Encoder.load(tmp_path / "body").embed(["good"]).shape == (1, 32)


def test_a_model_type_that_is_not_named_is_that_of_the_class(
    broken: Path, checkpoint: Path, configure: Configure, tmp_path: Path
) -> None:
    configure(model_type=None)
    said: list[str] = []
    export(broken, tmp_path / "out", precisions=["fp32"], say=said.append)
    assert [line for line in said if "no model_type: it is taken to be 'distilbert'" in line]
    export(checkpoint, tmp_path / "plain", precisions=["fp32"])
    ours, plain = (Classifier.load(tmp_path / name).logits(["good"]) for name in ("out", "plain"))
    np.testing.assert_array_equal(ours, plain)


def test_a_head_of_setfit_is_named_and_its_body_exports(broken: Path, configure: Configure, tmp_path: Path) -> None:
    configure(architectures=["DistilBertModel"])
    (broken / "config_setfit.json").write_text('{"labels": ["no", "yes"]}')
    with pytest.raises(
        UnsupportedModelError, match=r"config_setfit\.json: .* SetFit's, .*model_head\.pkl.*--encoder-only"
    ):
        export(broken, tmp_path / "out")
    export(broken, tmp_path / "body", encoder_only=True, precisions=["fp32"])


@pytest.mark.parametrize("architectures", [None, [], ["DistilBertForSequenceClassification"], ["MyClassifier"]])
def test_a_head_for_whole_texts_is_what_it_was(
    broken: Path, configure: Configure, tmp_path: Path, architectures: list[str] | None
) -> None:
    configure(architectures=architectures)
    export(broken, tmp_path / "out", precisions=["fp32"])
    assert len(Classifier.load(tmp_path / "out").labels) == 3


@pytest.mark.parametrize("named", [None, "BertCRF", "CrfBert", "DistilBertForNER"])
def test_a_tagger_that_names_no_class_of_transformers_is_not_taken_for_a_text_classifier(
    broken: Path, configure: Configure, tmp_path: Path, named: str | None
) -> None:
    tags = {"0": "O", "1": "B-PER", "2": "I-PER"}
    configure(architectures=[named] if named else None, id2label=tags, label2id=None)
    expected = rf"architectures: expected a class of transformers with a head, .*, got {str(named).lower()}"
    with pytest.raises(UnsupportedModelError, match=rf"(?i){expected}\."):
        export(broken, tmp_path / "out")


@pytest.mark.parametrize(
    ("named", "fields", "expected"),
    [
        ("DistilBertForMultiLabelClassification", {}, "sum to 1"),
        ("BertForMultiLabelSequenceClassification", {"problem_type": "multi_label_classification"}, "each label alone"),
        ("TFDistilBertForSequenceClassification", {}, None),
        ("DistilBertForSequenceClassification", {}, None),
    ],
)
def test_a_class_that_transformers_does_not_have_is_named_with_what_is_made_of_its_scores(
    broken: Path, configure: Configure, named: str, fields: dict[str, Any], expected: str | None
) -> None:
    configure(architectures=[named], **fields)
    said = list(notes(Checkpoint.open(str(broken)), "classifier"))
    assert [named in line and str(expected) in line for line in said] == ([True] if expected else [])


@pytest.mark.parametrize(
    "setting", [{"torchscript": True}, {"return_dict": False}, {"_attn_implementation": "flash_attention_2"}]
)
def test_settings_that_change_no_answer_are_overruled(
    broken: Path, configure: Configure, tmp_path: Path, setting: dict[str, Any]
) -> None:
    configure(**setting)
    assert export(broken, tmp_path / "out", precisions=["fp32"]).parity.texts


def test_leftovers_of_a_pretraining_head_are_ignored_with_a_note(
    broken: Path, checkpoint: Path, tmp_path: Path
) -> None:
    tensors = load_file(broken / "model.safetensors")
    others = {"vocab_projector.bias": torch.ones(9), "loss_function.weight": torch.ones(3)}
    save_file({**tensors, **others}, broken / "model.safetensors", metadata={"format": "pt"})
    said: list[str] = []
    export(broken, tmp_path / "out", precisions=["fp32"], say=said.append)
    note = "leaving out 2 tensors of another head, as transformers does: loss_function.weight, vocab_projector.bias"
    assert note in said
    export(checkpoint, tmp_path / "expected", precisions=["fp32"], say=said.append)
    expected = Classifier.load(tmp_path / "expected").logits(["good"])
    np.testing.assert_array_equal(Classifier.load(tmp_path / "out").logits(["good"]), expected)
    save_file(
        {**tensors, "distilbert.extra.weight": torch.ones(9)}, broken / "model.safetensors", metadata={"format": "pt"}
    )
    export(broken, tmp_path / "other", precisions=["fp32"], say=said.append)
    assert "leaving out 1 tensors, as transformers does: distilbert.extra.weight" in said


@pytest.mark.parametrize(
    ("config", "saved", "expected"),
    [
        ({"sentence_transformers": {"activation_fn": IDENTITY, "version": "5.0.0"}}, {}, "none"),
        ({"sbert_ce_default_activation_function": IDENTITY}, {}, "none"),
        ({"sbert_ce_default_activation_function": "torch.nn.Softmax"}, {}, "softmax"),
        ({"sbert_ce_default_activation_function": None}, {"activation_fn": None}, "sigmoid"),
        ({"sentence_transformers": {"activation_fn": IDENTITY}}, {"activation_fn": SIGMOID}, "sigmoid"),
        ({"problem_type": "regression"}, {"activation_fn": SIGMOID}, "sigmoid"),
        ({"sentence_transformers": {"version": "5.0.0"}}, {}, "sigmoid"),
    ],
)
def test_a_cross_encoder_s_activation_is_the_bundle_s(
    broken: Path, configure: Configure, config: dict[str, Any], saved: dict[str, Any], expected: str
) -> None:
    configure(id2label={"0": "LABEL_0"}, **config)
    (broken / SAVED).write_text(json.dumps(saved))
    assert Checkpoint.open(str(broken)).activation == expected


@pytest.mark.parametrize("named", ["torch.nn.modules.activation.Tanh", "mine.Sigmoid", 5])
def test_an_activation_that_is_none_of_ours_is_refused(broken: Path, configure: Configure, named: object) -> None:
    configure(sentence_transformers={"activation_fn": named})
    with pytest.raises(UnsupportedModelError, match=r"config\.json, sentence_transformers\.activation_fn: expected"):
        _ = Checkpoint.open(str(broken)).activation
