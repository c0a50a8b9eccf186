from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, Prediction
from torchless.errors import InputError


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


def test_rank_orders_labels_best_first(tiny: Path) -> None:
    classifier = Classifier.load(tiny)
    ranking = classifier.rank(["the film was good"])[0]
    assert sorted(p.label for p in ranking) == sorted(classifier.labels)
    assert [p.score for p in ranking] == sorted((p.score for p in ranking), reverse=True)
    assert classifier.rank(["the film was good"], top_k=2)[0] == ranking[:2]
    assert classifier.predict(["the film was good"])[0] == ranking[0]


def test_a_whole_number_of_any_kind_is_one(tiny: Path) -> None:
    classifier = Classifier.load(tiny, threads=np.int64(1))  # type: ignore[arg-type]
    assert len(classifier.rank(["x"], top_k=np.int64(2))[0]) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("top_k", [0, -1, 1.5, "all", True])
def test_rank_refuses_a_senseless_top_k(classifier: Classifier, top_k: object) -> None:
    with pytest.raises(InputError, match="top_k: expected a whole number"):
        classifier.rank(["x"], top_k=top_k)  # type: ignore[arg-type]


def test_an_empty_list_gives_an_empty_result(classifier: Classifier) -> None:
    assert classifier.predict([]) == []
    assert classifier.logits([]).shape == (0, 2)
    assert classifier.scores([]).shape == (0, 2)


def test_an_empty_text_is_a_text(classifier: Classifier) -> None:
    (prediction,) = classifier.predict([""])
    assert prediction.label in classifier.labels
    assert not prediction.truncated


def test_any_iterable_of_texts_will_do(classifier: Classifier) -> None:
    expected = classifier.predict(["good", "bad"])
    assert classifier.predict(("good", "bad")) == expected
    assert classifier.predict(text for text in ["good", "bad"]) == expected
    assert classifier.predict(np.array(["good", "bad"])) == expected
    assert classifier.predict({"a": "good", "b": "bad"}.values()) == expected


@pytest.mark.parametrize("texts", [{"good": 1}, {"good"}, frozenset(["good"]), None, 5, b"good"])
def test_what_is_no_list_of_texts_is_refused(classifier: Classifier, texts: Any) -> None:
    with pytest.raises(InputError, match=f"texts: expected a list of str, got .*{type(texts).__name__}"):
        classifier.predict(texts)


def test_a_bare_string_is_refused_with_the_fix(classifier: Classifier) -> None:
    with pytest.raises(InputError, match=r"expected a list of str, got a bare str\. Pass \[text\]"):
        classifier.predict("good")


def test_an_element_that_is_no_string_is_named(classifier: Classifier) -> None:
    with pytest.raises(InputError, match=r"texts\[1\]: expected str, got NoneType"):
        classifier.predict(["good", None])  # type: ignore[list-item]


def test_a_lone_surrogate_is_named(classifier: Classifier) -> None:
    with pytest.raises(InputError, match=r"texts\[2\]: lone surrogate U\+D83D at character 5"):
        classifier.predict(["good", "bad", "smile\ud83d"])


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


def test_threads_do_not_change_the_answer(mini: Path, sentences: list[str]) -> None:
    one = Classifier.load(mini, threads=1).logits(sentences)
    two = Classifier.load(mini, threads=2).logits(sentences)
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_a_prediction_is_a_value() -> None:
    assert Prediction("a", 0.5, False) == Prediction("a", 0.5, False)
