"""What callers hand in: lists of texts, pairs and whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, TextPair
from torchless.errors import InputError
from torchless.inputs.arguments import characters, text_list, whole_number

PAIR = TextPair("the film was good", "it was bad")


def test_any_iterable_of_texts_will_do(tiny_classifier: Classifier) -> None:
    expected = tiny_classifier.predict(["good", "bad"])
    assert tiny_classifier.predict(("good", "bad")) == expected
    assert tiny_classifier.predict(text for text in ["good", "bad"]) == expected
    assert tiny_classifier.predict(np.array(["good", "bad"])) == expected
    assert tiny_classifier.predict({"a": "good", "b": "bad"}.values()) == expected


@pytest.mark.parametrize("texts", [{"good": 1}, {"good"}, frozenset(["good"]), None, 5, b"good"])
def test_what_is_no_list_of_texts_is_refused(tiny_classifier: Classifier, texts: Any) -> None:
    with pytest.raises(InputError, match=f"texts: expected a list of str, got .*{type(texts).__name__}"):
        tiny_classifier.predict(texts)


def test_a_bare_string_is_refused_with_the_fix(tiny_classifier: Classifier) -> None:
    with pytest.raises(InputError, match=r"expected a list of str, got a bare str\. Pass \[text\]"):
        tiny_classifier.predict("good")


def test_an_element_that_is_no_string_is_named(tiny_classifier: Classifier) -> None:
    with pytest.raises(InputError, match=r"texts\[1\]: expected str, got NoneType"):
        tiny_classifier.predict(["good", None])  # type: ignore[list-item]


def test_a_lone_surrogate_is_named(tiny_classifier: Classifier) -> None:
    with pytest.raises(InputError, match=r"texts\[2\]: lone surrogate U\+D83D at character 5"):
        tiny_classifier.predict(["good", "bad", "smile\ud83d"])


def test_a_whole_number_of_any_kind_is_one(tiny: Path) -> None:
    classifier = Classifier.load(tiny, threads=np.int64(1))  # type: ignore[arg-type]
    assert len(classifier.rank(["x"], top_k=np.int64(2))[0]) == 2  # type: ignore[arg-type]


def test_a_pair_given_to_a_model_of_single_texts_is_refused(mini: Path) -> None:
    with pytest.raises(InputError, match=r"texts\[1\]: this model takes single texts, got a TextPair"):
        Classifier.load(mini).predict(["x", PAIR])


BAD: dict[str, tuple[Callable[[Classifier], Any], str]] = {
    "tuple": (lambda c: c.predict([("a", "b")]), r"texts\[0\]: expected str, got tuple. Wrap .* TextPair"),
    "bare pair": (lambda c: c.predict(PAIR), "expected a list of str, got a bare TextPair"),
    "half a pair": (lambda c: c.predict([TextPair("a", None)]), r"texts\[0\].second: expected str, got NoneType"),  # type: ignore[arg-type]
    "half a character": (lambda c: c.predict([TextPair("\ud83d", "")]), r"texts\[0\].first: lone surrogate U\+D83D"),
}


@pytest.mark.parametrize("name", BAD)
def test_every_bad_argument_has_an_error_of_its_own(tiny_classifier: Classifier, name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(InputError, match=message):
        call(tiny_classifier)


def test_texts_are_read_once_and_a_list_is_not_copied() -> None:
    texts = ["a", PAIR]
    assert text_list(texts, pairs=True) is texts
    assert text_list((text for text in texts), pairs=True) == texts
    assert text_list([], pairs=False) == []


def test_characters_are_counted_in_both_texts_of_a_pair() -> None:
    assert characters("caf\u00e9 \U0001f600") == 6
    assert characters(TextPair("ab", "cde")) == 5


@pytest.mark.parametrize("value", [1, 7, np.int8(7), np.uint64(1)])
def test_a_whole_number_within_its_range_is_an_int(value: Any) -> None:
    number = whole_number(value, "n", "a whole number from 1 to 7", 7)
    assert (type(number), number) == (int, value)


@pytest.mark.parametrize("value", [0, 8, -1, True, 1.0, np.float32(1), "1", None, [1]])
def test_what_is_no_whole_number_of_the_range_is_refused_as_it_was_given(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        whole_number(value, "n", "a whole number from 1 to 7", 7)
    assert str(caught.value) == f"n: expected a whole number from 1 to 7, got {value!r}."
