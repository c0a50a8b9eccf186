"""Scores to spans, without a model: tokens and scores are made here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from torchless.answers.spans import Aggregation, Span, Tagging, aggregation_of, ignored
from torchless.errors import InputError
from torchless.inputs.text_tokens import TextTokens
from torchless.inputs.token_windows import Reading, best_seen

LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "DATE", "a-b-c")


class Letters:
    """A tokenizer's spelling, where tokens that go on with a word begin with ##."""

    knows_words = True

    def join(self, names: list[str]) -> str:
        return " ".join(names).replace(" ##", "").replace("##", "")

    def names(self, tokens: TextTokens) -> list[str]:
        return tokens.names

    def continues(self, tokens: TextTokens) -> list[bool]:
        return [name.startswith("##") for name in tokens.names]


def tagged(
    *found: tuple[str, str] | tuple[str, str, float], aggregation: Aggregation = "simple", ignore: Any = ("O",)
) -> list[Span]:
    """The spans of tokens that stand one after another with a blank between words, each with its label and score."""
    names = [name for name, *_ in found]
    scores = np.zeros((len(found), len(LABELS)), np.float32)
    starts, stops, place = [], [], 0
    for row, (name, label, *score) in enumerate(found):
        scores[row, LABELS.index(label)] = score[0] if score else 1
        place += row > 0 and not name.startswith("##")
        starts.append(place)
        place += len(name.removeprefix("##"))
        stops.append(place)
    tokens = TextTokens("x" * place, [0] * len(names), [0] * len(names), range(len(names)), names, starts, stops)
    return Tagging(LABELS, Letters(), aggregation, ignore).spans(tokens, scores)  # type: ignore[arg-type]


def short(spans: list[Span]) -> list[tuple[str, str]]:
    return [(span.label, span.word) for span in spans]


def test_neighbours_with_the_same_label_are_one_span() -> None:
    spans = tagged(("Anna", "B-PER", 0.5), ("Lee", "I-PER", 1), ("in", "O"), ("Rome", "B-LOC"))
    assert spans == [Span("PER", 0.75, 0, 8, "Anna Lee"), Span("LOC", 1, 12, 16, "Rome")]


def test_a_label_that_begins_with_b_begins_a_span() -> None:
    assert short(tagged(("Anna", "B-PER"), ("Bob", "B-PER"))) == [("PER", "Anna"), ("PER", "Bob")]
    assert short(tagged(("Anna", "I-PER"), ("Bob", "I-PER"))) == [("PER", "Anna Bob")]


def test_labels_without_a_prefix_go_on() -> None:
    assert short(tagged(("1", "DATE"), ("May", "DATE"))) == [("DATE", "1 May")]


def test_the_name_of_a_span_loses_what_stands_before_the_first_dash_as_in_transformers() -> None:
    assert short(tagged(("x", "a-b-c"), ("y", "a-b-c"))) == [("b-c", "x y")]


def test_without_aggregation_each_token_is_a_span_under_its_own_label() -> None:
    spans = tagged(("An", "B-PER"), ("##na", "I-PER", 0.5), aggregation="none")
    assert spans == [Span("B-PER", 1, 0, 2, "An"), Span("I-PER", 0.5, 2, 4, "##na")]


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("simple", [("PER", "micro"), ("LOC", "soft")]),
        ("first", [("PER", "microsoft")]),
        ("max", [("LOC", "microsoft")]),
        ("average", [("LOC", "microsoft")]),
    ],
)
def test_the_tokens_of_a_word_agree(aggregation: Aggregation, expected: list[tuple[str, str]]) -> None:
    assert short(tagged(("micro", "B-PER", 0.4), ("##soft", "B-LOC", 0.6), aggregation=aggregation)) == expected


def test_ignored_labels_are_those_of_the_answer() -> None:
    found = ("Anna", "B-PER"), ("in", "O"), ("Rome", "B-LOC")
    assert short(tagged(*found, ignore=[])) == [("PER", "Anna"), ("O", "in"), ("LOC", "Rome")]
    assert short(tagged(*found, ignore=["PER", "B-LOC"])) == [("O", "in"), ("LOC", "Rome")]
    assert short(tagged(*found, ignore=["B-LOC", "O"], aggregation="none")) == [("B-PER", "Anna")]


def test_labels_to_ignore_are_not_searched_for_every_span() -> None:
    class Labels(list[str]):
        def __contains__(self, label: object) -> bool:
            raise AssertionError("searched from end to end")

    assert short(tagged(("Anna", "B-PER"), ("in", "O"), ignore=Labels(["O"]))) == [("PER", "Anna")]


def test_a_text_without_tokens_has_no_spans() -> None:
    assert tagged() == []


def test_bad_arguments_are_named() -> None:
    with pytest.raises(InputError, match="aggregation: expected one of none, simple, first, average, max, got 'best'"):
        aggregation_of("best")
    with pytest.raises(InputError, match=r"ignore_labels: expected a list of str, got a bare str. Pass \['O'\]"):
        ignored("O")
    with pytest.raises(InputError, match=r"ignore_labels\[1\]: expected a str, got int"):
        ignored(["O", 1])
    assert sorted(ignored({"O", "DATE"})) == ["DATE", "O"]


@pytest.mark.parametrize("stride", [0, 1, 3, 7])
@pytest.mark.parametrize("tokens", [0, 1, 8, 9, 10, 25, 64])
def test_windows_hold_every_token_and_each_is_taken_once(tokens: int, stride: int) -> None:
    reading = Reading(8, stride, truncate=False, side="right")
    windows = reading.windows(tokens)
    assert all(len(window) <= 8 for window in windows)
    best = best_seen(windows)
    assert [place for part in best for place in part] == list(range(tokens))
    assert all(
        part.start >= window.start and part.stop <= window.stop for part, window in zip(best, windows, strict=True)
    )
    assert reading.count(tokens + 2, 2) == sum(len(window) + 2 for window in windows)


def test_a_text_that_is_cut_has_one_window() -> None:
    assert Reading(8, 2, truncate=True, side="right").windows(20) == [range(8)]
    assert Reading(8, 2, truncate=True, side="left").windows(20) == [range(12, 20)]
