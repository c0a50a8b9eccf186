"""Every architecture with a head for tokens: a random checkpoint, exported, is what PyTorch says it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from torchless import Bundle, Encoder, TokenClassifier, verify
from torchless_export import ExportReport
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, TAGS

Exported = tuple[Path, Path, ExportReport]
ODD = "\n  \u05e9\u05dc\u05d5\u05dd \U0001f468\u200d\U0001f469  e\u0301"


@pytest.fixture(scope="module", params=RANDOM_CHECKPOINTS)
def exported(request: pytest.FixtureRequest, exported_tagger: Callable[[str], Exported]) -> Exported:
    return exported_tagger(request.param)


def test_logits_of_every_token_are_those_of_pytorch(exported: Exported, sentences: list[str]) -> None:
    checkpoint, bundle, report = exported
    model = AutoModelForTokenClassification.from_pretrained(checkpoint).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    tagger = TokenClassifier.load(bundle, precision="fp32")
    texts = [*sentences[:20], " ".join(sentences), ODD]
    for text, logits in zip(texts, tagger.logits(texts), strict=True):
        with torch.inference_mode():
            expected = model(**tokenizer(text, truncation=True, return_tensors="pt")).logits[0]
        assert logits.shape[1] == len(TAGS) == len(tagger.labels)
        np.testing.assert_allclose(logits, expected, atol=2e-5)
    assert report.parity.max_logit_difference is not None
    assert report.parity.max_logit_difference < 2e-5


def test_tokens_answer_differently_so_that_parity_means_something(exported: Exported, sentences: list[str]) -> None:
    rows = np.concatenate(TokenClassifier.load(exported[1], precision="fp32").logits(sentences[:40]))
    assert rows.std(axis=0).min() > 0.01
    assert len(set(rows.argmax(axis=1))) > 1


def test_parity_of_taggers_reaches_the_longest_text(exported: Exported) -> None:
    checkpoint, bundle, report = exported
    limit = AutoTokenizer.from_pretrained(checkpoint).model_max_length
    assert report.parity.longest_tokens == limit == Bundle.open(bundle).manifest.max_tokens


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_neighbours_change_no_token(exported: Exported, sentences: list[str], precision: str) -> None:
    tagger = TokenClassifier.load(exported[1], precision=precision)
    alone = np.concatenate([tagger.scores([text])[0] for text in sentences[:12]])
    np.testing.assert_allclose(np.concatenate(tagger.scores(sentences[:12])), alone, rtol=0, atol=1e-6)


def test_the_body_is_the_encoder_of_the_same_bundle(exported: Exported, sentences: list[str]) -> None:
    assert Encoder.load(exported[1], precision="fp32").hidden_states(sentences[:2])[0].shape[1] == 32


def test_fp16_of_a_tagger_is_near(exported: Exported, sentences: list[str]) -> None:
    exact, rounded = (
        np.concatenate(TokenClassifier.load(exported[1], precision=p).logits(sentences[:40])) for p in ("fp32", "fp16")
    )
    np.testing.assert_allclose(rounded, exact, rtol=0, atol=0.02 * float(exact.std()) + 1e-3)


def test_a_tagger_of_any_architecture_verifies(exported: Exported) -> None:
    assert [report.precision for report in verify(exported[1])] == ["fp32", "fp16", "int8"]
    assert Bundle.open(exported[1]).manifest.kind == "token_classifier"
