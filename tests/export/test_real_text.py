"""Heads of every task on real text: pairs with a number for an answer, 28 labels of which any number may be right.

STS-B and GoEmotions cannot be shipped; they are read from ../shared/data, and built-in texts stand in where that is
missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

from torchless import Classifier, TextPair
from torchless_export import export
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make

DATA = Path(__file__).parent.parent.parent.parent / "shared" / "data"
Exported = Callable[..., tuple[Path, Path]]


@pytest.fixture
def exported(tmp_path: Path) -> Exported:
    """A random BERT with these labels, and its bundle."""

    def exported(labels: list[str], **config: Any) -> tuple[Path, Path]:
        names = {"id2label": dict(enumerate(labels)), "label2id": {label: index for index, label in enumerate(labels)}}
        random = replace(
            RANDOM_CHECKPOINTS["bert"], settings={**RANDOM_CHECKPOINTS["bert"].settings, **names, **config}
        )
        checkpoint = make(random, tmp_path / "checkpoint")
        export(checkpoint, tmp_path / "bundle", precisions=["fp32"])
        return checkpoint, tmp_path / "bundle"

    return exported


def stsb(sentences: list[str]) -> list[TextPair]:
    file = DATA / "stsb" / "sts-dev.tsv"
    if not file.is_file():
        return [TextPair(a, b) for a, b in zip(sentences[:100], sentences[100:], strict=True)]
    rows = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    return [TextPair(row[5], row[6]) for row in rows]


def go_emotions(sentences: list[str]) -> tuple[list[str], list[str]]:
    folder = DATA / "goemotions"
    if not folder.is_dir():
        return sentences, [f"emotion {index}" for index in range(28)]
    lines = (folder / "dev.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[0] for line in lines], (folder / "labels.txt").read_text().split()


def test_a_regression_on_pairs_answers_as_the_pipeline(exported: Exported, sentences: list[str]) -> None:
    checkpoint, bundle = exported(["similarity"], problem_type="regression")
    pairs = stsb(sentences)[:300]
    pipe = transformers.pipeline("text-classification", model=str(checkpoint), device="cpu", truncation=True)
    expected = pipe([{"text": pair.first, "text_pair": pair.second} for pair in pairs])
    actual = Classifier.load(bundle).predict(pairs)
    assert {p.label for p in actual} == {each["label"] for each in expected} == {"similarity"}
    np.testing.assert_allclose([p.score for p in actual], [each["score"] for each in expected], atol=1e-4)
    assert np.std([p.score for p in actual]) > 0.01


def test_28_labels_answer_as_the_pipeline(exported: Exported, sentences: list[str]) -> None:
    texts, labels = go_emotions(sentences)
    checkpoint, bundle = exported(labels, problem_type="multi_label_classification")
    pipe = transformers.pipeline("text-classification", model=str(checkpoint), device="cpu", truncation=True)
    expected = pipe(texts[:300], top_k=None)
    classifier = Classifier.load(bundle)
    for ranking, row in zip(classifier.rank(texts[:300]), expected, strict=True):
        scores = {each["label"]: each["score"] for each in row}
        assert {p.label for p in ranking} == set(scores)
        np.testing.assert_allclose([p.score for p in ranking], [scores[p.label] for p in ranking], atol=1e-4)
    thresholds = {label: 0.3 + index / 100 for index, label in enumerate(labels)}
    for ranking, row in zip(classifier.rank(texts[:300], threshold=thresholds), expected, strict=True):
        clear = {each["label"] for each in row if each["score"] > thresholds[each["label"]] + 1e-4}
        near = {each["label"] for each in row if each["score"] > thresholds[each["label"]] - 1e-4}
        assert clear <= {p.label for p in ranking} <= near
