"""Labels of one's own, by a model for natural language inference."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from torchless import Classifier, TextPair, ZeroShotClassifier
from torchless.errors import IncompatibleError, InputError
from torchless.zero_shot import entailment_index


@pytest.fixture
def nli(tiny_copy: Path, rewrite: Callable[..., None]) -> Callable[..., Path]:
    """The random model under labels of natural language inference."""

    def nli(*labels: str) -> Path:
        rewrite(lambda manifest: manifest.update(labels=list(labels), default_precision="fp32"))
        return tiny_copy

    return nli


@pytest.mark.parametrize(
    ("labels", "entailment", "contradiction"),
    [
        (("contradiction", "neutral", "entailment"), 2, 0),
        (("ENTAILMENT", "NEUTRAL", "CONTRADICTION"), 0, 2),
        (("no", "Entailed", "other"), 1, 0),
    ],
)
def test_zero_shot_scores_are_made_of_the_entailment_logits(
    nli: Callable[..., Path], labels: tuple[str, ...], entailment: int, contradiction: int, long_text: str
) -> None:
    path = nli(*labels)
    candidates, template = ["films", "food", "war"], "This is about {}."
    classifier, zero_shot = Classifier.load(path), ZeroShotClassifier.load(path)
    for text, cut in (("the film was good", False), (long_text, True)):
        rows = [longest_premise(classifier, text, template.format(label)) for label in candidates]
        one = np.exp([row[entailment] for row in rows])
        each = [np.exp(row[entailment]) / (np.exp(row[entailment]) + np.exp(row[contradiction])) for row in rows]
        answers = zero_shot.answer(["x", text], candidates, hypothesis_template=template)
        np.testing.assert_allclose(answers.scores[1], one / one.sum(), atol=1e-6)
        assert answers.truncated.tolist() == [False, cut]
        answers = zero_shot.answer(["x", text], candidates, hypothesis_template=template, multi_label=True)
        np.testing.assert_allclose(answers.scores[1], each, atol=1e-6)


def longest_premise(classifier: Classifier, premise: str, hypothesis: str) -> NDArray[np.float32]:
    """The logits with as much of the premise as leaves the hypothesis whole."""
    words = premise.split()
    while True:
        pair = TextPair(" ".join(words), hypothesis)
        if not classifier.predict([pair])[0].truncated:
            row: NDArray[np.float32] = classifier.logits([pair])[0]
            return row
        words.pop()


def test_zero_shot_ranks_the_labels_given(nli: Callable[..., Path]) -> None:
    zero_shot = ZeroShotClassifier.load(nli("contradiction", "neutral", "entailment"))
    candidates = ["films", "food", "war"]
    (scores,) = zero_shot.answer(["the film was good"], candidates).scores
    (ranking,) = zero_shot.rank(["the film was good"], (label for label in candidates), top_k=2)
    best = sorted(range(3), key=lambda index: -scores[index])[:2]
    assert [(p.label, p.score) for p in ranking] == [(candidates[index], float(scores[index])) for index in best]
    above = zero_shot.rank(["the film was good"], candidates, threshold={"films": 1, "food": 0, "war": 1})
    assert [p.label for p in above[0]] == ["food"]


def test_zero_shot_takes_an_nli_model(mini: Path, tiny: Path) -> None:
    with pytest.raises(IncompatibleError, match="reads single texts"):
        ZeroShotClassifier.load(mini)
    with pytest.raises(
        IncompatibleError, match="labels negative, neutral, positive, and none that begins with 'entail'"
    ):
        ZeroShotClassifier.load(tiny)
    assert ZeroShotClassifier.load(tiny, entailment="positive").rank(["x"], ["a"])[0][0].label == "a"
    with pytest.raises(InputError, match="entailment: expected one of negative, neutral, positive, got 'yes'"):
        ZeroShotClassifier.load(tiny, entailment="yes")


@pytest.mark.parametrize(
    ("labels", "template", "message"),
    [
        ([], "{}", "labels: expected one candidate label or more, got none"),
        ("a,b", "{}", "labels: expected a list of str, got str"),
        ({"a", "b"}, "{}", "labels: expected a list of str, got set"),
        (None, "{}", "labels: expected a list of str, got NoneType"),
        (["a", "\ud800"], "{}", r"labels\[1\]: lone surrogate U\+D800"),
        (
            ["a", "b " * 208],
            "{}",
            r"labels\[1\]: its hypothesis leaves no room for a text within the model's 64 tokens",
        ),
        (["a"], "{{}}", "hypothesis_template: expected {} where the label goes, got '{{}}'"),
        (["a"], None, "hypothesis_template: expected a sentence with {}, got None"),
        (["a", " "], "{}", r"labels\[1\]: expected a str that is not blank, got ' '"),
        (["a", 5], "{}", r"labels\[1\]: expected a str that is not blank, got 5"),
        (["a"], "no place", "hypothesis_template: expected {} where the label goes, got 'no place'"),
        (["a"], "{} and {}", "hypothesis_template: expected a sentence with one {}, got '{} and {}'"),
        (["a"], "{", "hypothesis_template: expected a sentence with one {}"),
    ],
)
def test_zero_shot_refuses_what_is_no_label_and_no_template(
    tiny: Path, labels: Any, template: Any, message: str
) -> None:
    zero_shot = ZeroShotClassifier.load(tiny, entailment="positive")
    with pytest.raises(InputError, match=message):
        zero_shot.rank(["x"], labels, hypothesis_template=template)
    assert zero_shot.rank([], ["a", "b"]) == []


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["contradiction", "neutral", "entailment"], 2),  # facebook/bart-large-mnli
        (["CONTRADICTION", "NEUTRAL", "ENTAILMENT"], 2),  # FacebookAI/roberta-large-mnli
        (["contradiction", "entailment", "neutral"], 1),  # cross-encoder/nli-deberta-v3-base
        (["entailment", "not_entailment"], 0),  # MoritzLaurer/deberta-v3-base-zeroshot-v2.0
        (["not_entailment", "other"], None),
        (["LABEL_0", "LABEL_1"], None),
    ],
)
def test_entailment_is_found_among_the_labels_of_models_for_nli(labels: list[str], expected: int | None) -> None:
    assert entailment_index(labels) == expected


def test_an_entailment_that_is_named_comes_before_one_that_could_be_found(nli: Callable[..., Path]) -> None:
    classifier = Classifier.load(nli("entailment", "neutral", "contradiction"))
    logits = classifier.logits([TextPair("x", "This example is a.")])[0].astype(float)
    named = ZeroShotClassifier(classifier, entailment="contradiction").answer(["x"], ["a"]).scores
    found = ZeroShotClassifier(classifier).answer(["x"], ["a"]).scores
    # A lone label has its score between entailment and the label at the other end.
    assert float(found[0, 0]) == pytest.approx(1 / (1 + np.exp(logits[2] - logits[0])), abs=1e-6)
    assert float(named[0, 0]) == pytest.approx(1 / (1 + np.exp(logits[0] - logits[2])), abs=1e-6)


def test_a_model_of_one_label_is_no_nli_model(tiny_classifier: Classifier) -> None:
    regression = copy.copy(tiny_classifier)
    regression.manifest = dataclasses.replace(tiny_classifier.manifest, labels=("similarity",))
    with pytest.raises(IncompatibleError, match="has one label, similarity"):
        ZeroShotClassifier(regression)
