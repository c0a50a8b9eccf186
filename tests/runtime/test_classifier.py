"""Text to label: what `Classifier` answers, whatever the texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, TextPair
from torchless.errors import InputError

PAIR = TextPair("the film was good", "it was bad")


@pytest.fixture(scope="module")
def classifier(mini: Path) -> Classifier:
    return Classifier.load(mini)


def test_the_embedded_default_knows_good_from_bad(classifier: Classifier) -> None:
    texts = ["I've been waiting for a HuggingFace course my whole life.", "I hate this so much"]
    assert [p.label for p in classifier.predict(texts)] == ["POSITIVE", "NEGATIVE"]


def test_predict_keeps_input_order_whatever_the_lengths(classifier: Classifier, sentences: list[str]) -> None:
    together = classifier.predict(sentences)
    alone = [classifier.predict([text])[0] for text in sentences]
    assert [p.label for p in together] == [p.label for p in alone]


def test_scores_are_the_softmax_of_the_logits(classifier: Classifier, sentences: list[str]) -> None:
    logits = classifier.logits(sentences).astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scores = classifier.scores(sentences)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_an_empty_list_gives_an_empty_result(classifier: Classifier) -> None:
    assert classifier.predict([]) == []
    assert classifier.logits([]).shape == (0, 2)
    assert classifier.scores([]).shape == (0, 2)


def test_an_empty_text_is_a_text(classifier: Classifier) -> None:
    (prediction,) = classifier.predict([""])
    assert prediction.label in classifier.labels
    assert not prediction.truncated


def test_a_text_of_a_megabyte_is_cut_and_says_so(classifier: Classifier) -> None:
    short, long = classifier.predict(["good", "a dreadful film " * 65_000])
    assert (short.truncated, long.truncated) == (False, True)
    assert long.label == "NEGATIVE"


def test_a_text_that_just_fits_is_not_truncated(tiny: Path) -> None:
    classifier = Classifier.load(tiny)
    limit = classifier.manifest.max_tokens - 2  # [CLS] and [SEP]
    fits, over = classifier.predict([" ".join(["!"] * limit), " ".join(["!"] * (limit + 1))])
    assert (fits.truncated, over.truncated) == (False, True)
    assert fits.score == over.score  # what is cut away is not read


def test_an_activation_of_ones_own(tiny_classifier: Classifier) -> None:
    logits = tiny_classifier.logits([PAIR])
    np.testing.assert_allclose(
        tiny_classifier.scores([PAIR], activation="sigmoid"), 1 / (1 + np.exp(-logits)), atol=1e-6
    )
    np.testing.assert_array_equal(tiny_classifier.scores([PAIR], activation="none"), logits)
    (prediction,) = tiny_classifier.predict([PAIR], activation="none")
    assert prediction.score == logits.max()


def test_a_pair_is_more_than_its_first_text(tiny_classifier: Classifier) -> None:
    pair, swapped, alone = tiny_classifier.logits([PAIR, TextPair(PAIR.second, PAIR.first), PAIR.first])
    assert np.abs(pair - alone).max() > 1e-3
    assert np.abs(pair - swapped).max() > 1e-3


def test_pairs_and_texts_may_stand_in_one_list(tiny_classifier: Classifier, long_text: str) -> None:
    texts = [PAIR, "good", TextPair("", ""), long_text, TextPair(long_text, long_text)]
    together = tiny_classifier.logits(texts)
    np.testing.assert_allclose(together, np.concatenate([tiny_classifier.logits([text]) for text in texts]), atol=1e-5)
    assert [p.truncated for p in tiny_classifier.predict(texts)] == [False, False, False, True, True]


BAD: dict[str, tuple[Callable[[Classifier], Any], str]] = {
    "activation": (lambda c: c.predict(["x"], activation="tanh"), "activation: expected one of softmax, sigmoid, none"),
    "list of activations": (
        lambda c: c.predict(["x"], activation=["x"]),
        r"activation: expected one of .*, got \['x'\]",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_every_bad_argument_has_an_error_of_its_own(tiny_classifier: Classifier, name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(InputError, match=message):
        call(tiny_classifier)


@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid", "none"])
def test_a_batch_of_ones_own_scores_as_its_texts_do(
    classifier: Classifier, sentences: list[str], activation: Any
) -> None:
    batch = classifier.tokenizer.encode(sentences[:8])
    scores = classifier.score(batch, activation=activation)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, classifier.scores(sentences[:8], activation=activation), rtol=0, atol=1e-6)
    with pytest.raises(InputError, match="activation: expected one of softmax, sigmoid, none, got 'tanh'"):
        classifier.score(batch, activation="tanh")  # type: ignore[arg-type]


def test_labels_are_those_of_the_manifest(tiny_classifier: Classifier) -> None:
    assert tiny_classifier.labels == tiny_classifier.manifest.labels == ("negative", "neutral", "positive")
