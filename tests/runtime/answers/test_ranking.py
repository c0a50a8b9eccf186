"""Labels best first, at most so many, none below its threshold."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, Prediction, TextPair
from torchless.answers.ranking import Answers, Ranking
from torchless.errors import InputError

PAIR = TextPair("the film was good", "it was bad")


def test_rank_orders_labels_best_first(tiny: Path) -> None:
    classifier = Classifier.load(tiny)
    ranking = classifier.rank(["the film was good"])[0]
    assert sorted(p.label for p in ranking) == sorted(classifier.labels)
    assert [p.score for p in ranking] == sorted((p.score for p in ranking), reverse=True)
    assert classifier.rank(["the film was good"], top_k=2)[0] == ranking[:2]
    assert classifier.predict(["the film was good"])[0] == ranking[0]


@pytest.mark.parametrize("top_k", [0, -1, 1.5, "all", True])
def test_rank_refuses_a_senseless_top_k(tiny_classifier: Classifier, top_k: object) -> None:
    with pytest.raises(InputError, match="top_k: expected a whole number"):
        tiny_classifier.rank(["x"], top_k=top_k)  # type: ignore[arg-type]


def test_a_threshold_leaves_out_what_scores_less(tiny_classifier: Classifier) -> None:
    (ranking,) = tiny_classifier.rank([PAIR])
    second = ranking[1].score
    assert tiny_classifier.rank([PAIR], threshold=second) == [ranking[:2]]
    assert tiny_classifier.rank([PAIR], threshold=1) == [[]]
    assert tiny_classifier.rank([PAIR], threshold=0, top_k=1) == [ranking[:1]]
    own = {ranking[0].label: 1.0, ranking[1].label: 0.0, ranking[2].label: second}
    assert tiny_classifier.rank([PAIR], threshold=own) == [ranking[1:2]]
    assert tiny_classifier.rank([PAIR], threshold=-5, activation="none") == tiny_classifier.rank(
        [PAIR], activation="none"
    )


def test_a_prediction_is_a_value() -> None:
    assert Prediction("a", 0.5, False) == Prediction("a", 0.5, False)


BAD: dict[str, tuple[Callable[[Classifier], Any], str]] = {
    "threshold": (lambda c: c.rank(["x"], threshold=1.1), "threshold: expected a number from 0 to 1, got 1.1"),
    "threshold of nan": (lambda c: c.rank(["x"], threshold=float("nan")), "threshold: expected a number from 0 to 1"),
    "threshold of words": (lambda c: c.rank(["x"], threshold="high"), "threshold: expected a number from 0 to 1"),
    "threshold without end": (
        lambda c: c.rank(["x"], threshold=float("inf"), activation="none"),
        "threshold: expected a finite number, got inf",
    ),
    "threshold of a label": (
        lambda c: c.rank(["x"], threshold={"negative": 0.1, "neutral": -2, "positive": 0.1}),
        r"threshold\['neutral'\]: expected a number from 0 to 1, got -2",
    ),
    "unknown label": (
        lambda c: c.rank(["x"], threshold={"joy": 0.5}),
        "threshold: there is no label 'joy'; the labels are",
    ),
    "missing label": (
        lambda c: c.rank(["x"], threshold={"neutral": 0.5}),
        "expected a number for every label, got none for",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_every_bad_argument_has_an_error_of_its_own(tiny_classifier: Classifier, name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(InputError, match=message):
        call(tiny_classifier)


def ranked(scores: list[list[float]], **options: Any) -> list[list[tuple[str, float]]]:
    rows = np.array(scores, np.float32).reshape(-1, 3)
    answers = Answers(rows, np.zeros(len(rows), np.bool_), np.ones(len(rows), np.int64))
    ranking = Ranking(["a", "b", "c"], "softmax", **{"top_k": None, **options})
    return [[(each.label, each.score) for each in row] for row in ranking.of(answers)]


def test_equal_scores_keep_the_order_of_the_manifest() -> None:
    assert ranked([[0.25, 0.5, 0.25]]) == [[("b", 0.5), ("a", 0.25), ("c", 0.25)]]
    assert ranked([[0.5, 0.5, 0]], top_k=1) == [[("a", 0.5)]]
    assert ranked([[0.0, -0.0, 0.0]]) == [[("a", 0), ("b", 0), ("c", 0)]]


def test_many_equal_scores_keep_it_too() -> None:
    labels = [str(number) for number in range(300)]  # a few are kept in order by any sort
    scores = np.tile(np.array([0.5, 1], np.float32), 150)[None]
    (row,) = Ranking(labels, "sigmoid", None).of(Answers(scores, np.array([False]), np.array([1])))
    assert [each.label for each in row] == labels[1::2] + labels[::2]


def test_every_text_has_a_ranking_of_its_own() -> None:
    expected = [[("c", 0.75), ("a", 0.25)], [("b", 1.0), ("a", 0.0)]]
    assert ranked([[0.25, 0, 0.75], [0, 1, 0]], top_k=2) == expected
    assert ranked([]) == []


def test_a_score_that_reaches_its_threshold_stays() -> None:
    assert ranked([[0.25, 0.5, 0.25]], threshold=0.25) == [[("b", 0.5), ("a", 0.25), ("c", 0.25)]]
    assert ranked([[0.25, 0.5, 0.25]], threshold=np.nextafter(0.25, 1)) == [[("b", 0.5)]]


def test_thresholds_go_by_label_whatever_the_order_of_their_mapping() -> None:
    assert ranked([[0.25, 0.5, 0.25]], threshold={"c": 0.25, "b": 0.75, "a": 0.5}) == [[("c", 0.25)]]


def test_more_labels_than_there_are_is_all_of_them() -> None:
    assert len(ranked([[0.25, 0.5, 0.25]], top_k=9)[0]) == 3


def test_a_prediction_says_what_became_of_its_text() -> None:
    answers = Answers(np.array([[0.5], [0.5]], np.float32), np.array([False, True]), np.array([3, 1]))
    assert Ranking(["a"], "sigmoid", 1).of(answers) == [
        [Prediction("a", 0.5, False, 3)],
        [Prediction("a", 0.5, True, 1)],
    ]


def test_a_long_list_is_ranked_as_its_texts_are_one_by_one() -> None:
    scores = np.random.default_rng(0).random((700, 3)).astype(np.float32)
    assert ranked(scores.tolist(), top_k=2) == [ranked([row], top_k=2)[0] for row in scores.tolist()]


def test_a_long_list_is_not_held_as_python_s_numbers_all_at_once() -> None:
    scores = np.random.default_rng(0).random((4_000, 500)).astype(np.float32)
    answers = Answers(scores, np.zeros(4_000, np.bool_), np.ones(4_000, np.int64))
    ranking = Ranking([str(number) for number in range(500)], "sigmoid", top_k=1)
    tracemalloc.start()
    try:
        ranking.of(answers)
        assert tracemalloc.get_traced_memory()[1] < 3 * scores.nbytes
    finally:
        tracemalloc.stop()
