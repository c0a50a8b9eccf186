"""Every architecture: a random checkpoint, exported, is what PyTorch says it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

from torchless import Bundle, Classifier, Encoder, verify
from torchless_export import ExportReport
from torchless_export.families import FAMILIES
from torchless_export.families.deberta import log_buckets
from torchless_export.families.mpnet import t5_buckets
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS

Exported = tuple[Path, Path, ExportReport]


@pytest.fixture(scope="module", params=RANDOM_CHECKPOINTS)
def exported(request: pytest.FixtureRequest, exported_random: Callable[[str], Exported]) -> Exported:
    return exported_random(request.param)


def test_logits_are_those_of_pytorch(exported: Exported, sentences: list[str]) -> None:
    checkpoint, bundle, _ = exported
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    inputs = AutoTokenizer.from_pretrained(checkpoint)(
        sentences[:40], padding=True, truncation=True, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = model(**inputs).logits
    np.testing.assert_allclose(Classifier.load(bundle, precision="fp32").logits(sentences[:40]), expected, atol=2e-5)


@pytest.mark.parametrize("name", ["roberta", "mpnet", "bert"])
def test_a_padding_token_that_a_text_spells_out_has_the_position_that_pytorch_gives_it(
    name: str, exported_random: Callable[[str], Exported]
) -> None:
    checkpoint, bundle, _ = exported_random(name)
    model, tokenizer = (
        kind.from_pretrained(checkpoint) for kind in (AutoModelForSequenceClassification, AutoTokenizer)
    )
    padding = tokenizer.pad_token
    texts = [f"the {padding} film was {padding}{padding} good {padding}", f"{padding} a film", "it was good"]
    with torch.inference_mode():
        expected = torch.cat([model.eval()(**tokenizer(text, return_tensors="pt")).logits for text in texts])
    classifier = Classifier.load(bundle, precision="fp32")
    assert tokenizer.pad_token_id in classifier.tokenizer.encode(texts[:1]).input_ids
    np.testing.assert_allclose(classifier.logits(texts), expected, atol=2e-5)
    np.testing.assert_allclose(classifier.logits(texts[:1]), expected[:1], atol=2e-5)


def test_texts_answer_differently_so_that_parity_means_something(exported: Exported, sentences: list[str]) -> None:
    logits = Classifier.load(exported[1], precision="fp32").logits(sentences[:40])
    assert logits.std(axis=0).min() > 0.01


def test_parity_reaches_the_longest_text(exported: Exported) -> None:
    checkpoint, bundle, report = exported
    limit = AutoTokenizer.from_pretrained(checkpoint).model_max_length
    assert report.parity.longest_tokens == limit == Bundle.open(bundle).manifest.max_tokens


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_neighbours_change_nothing(exported: Exported, sentences: list[str], precision: str) -> None:
    texts = sentences[:12]
    classifier = Classifier.load(exported[1], precision=precision)
    alone = np.concatenate([classifier.scores([text]) for text in texts])
    np.testing.assert_allclose(classifier.scores(texts), alone, rtol=0, atol=1e-6)


def test_int8_stays_near(exported: Exported, sentences: list[str]) -> None:
    exact, rounded = (Encoder.load(exported[1], precision=p).embed(sentences[:40]) for p in ("fp32", "int8"))
    assert (exact * rounded).sum(axis=1).min() > 0.97


def test_fp16_is_nearer(exported: Exported, sentences: list[str]) -> None:
    exact, rounded = (Classifier.load(exported[1], precision=p).logits(sentences[:40]) for p in ("fp32", "fp16"))
    np.testing.assert_allclose(rounded, exact, rtol=0, atol=0.01 * float(exact.std()) + 1e-3)


def test_a_bundle_of_any_architecture_verifies(exported: Exported) -> None:
    assert [replay.precision for replay in verify(exported[1])] == ["fp32", "fp16", "int8"]


@pytest.mark.parametrize(("buckets", "farthest"), [(256, 512), (16, 64), (32, 4096)])
def test_deberta_buckets_distances_as_transformers_does(buckets: int, farthest: int) -> None:
    relative = np.arange(1 - farthest, farthest)
    expected = make_log_bucket_position(torch.from_numpy(relative), buckets, farthest)
    np.testing.assert_array_equal(log_buckets(relative, buckets, farthest), expected.long())


def test_mpnet_buckets_distances_as_transformers_does() -> None:
    relative = np.arange(-600, 600)
    expected = MPNetEncoder.relative_position_bucket(torch.from_numpy(relative))
    np.testing.assert_array_equal(t5_buckets(relative), expected)


def test_every_family_has_a_random_checkpoint() -> None:
    assert {random.model_type for random in RANDOM_CHECKPOINTS.values()} == set(FAMILIES)
