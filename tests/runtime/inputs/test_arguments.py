"""What callers hand in: lists of texts, pairs and whole numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, Reranker, TextPair, TokenClassifier, ZeroShotClassifier
from torchless.compat import pipeline
from torchless.errors import InputError
from torchless.inputs.arguments import characters, text_list, whole_number

PAIR = TextPair("the film was good", "it was bad")


class Frame:
    """Goes over the names of its columns, as pandas' DataFrame does; polars' has no `ndim`."""

    shape: tuple[int, ...] = (2, 2)

    def __iter__(self) -> Iterator[str]:
        return iter(["id", "text"])

    def __len__(self) -> int:
        return 2


class Series(Frame):
    """Goes over its values."""

    shape = (2,)


class Label(str, Enum):  # noqa: UP042  # as they are written before Python 3.11
    """Whose `str(member)` is not the member's text."""

    A = "a man in a boat"


def test_a_table_is_not_answered_by_the_names_of_its_columns(
    tiny_classifier: Classifier, tiny_ranker: Path, tiny_tagger: Path
) -> None:
    zero_shot, reranker = ZeroShotClassifier(tiny_classifier, entailment="positive"), Reranker.load(tiny_ranker)
    calls: dict[str, Callable[[Any], Any]] = {
        "texts": tiny_classifier.predict,
        "texts of a tagger": TokenClassifier.load(tiny_tagger).tag,
        "documents": lambda values: reranker.rank("a", values),
        "labels": lambda values: zero_shot.rank(["a"], values),
        "candidate_labels": lambda values: zero_shot_pipeline(tiny_classifier)("a", values),
        "pairs": reranker.score,
    }
    for name, call in calls.items():
        expected = "its rows as lists" if name == "pairs" else "one column of it"
        with pytest.raises(InputError, match=rf"{name.split()[0]}: expected a list .* got Frame\. Pass {expected}\."):
            call(Frame())
        if name != "pairs":
            assert call(Series()) == call(["id", "text"])


def zero_shot_pipeline(classifier: Classifier) -> Any:
    with pytest.warns(UserWarning, match="begins with 'entail'"):
        return pipeline("zero-shot-classification", classifier)


def test_pairs_may_be_rows_of_an_array(tiny_ranker: Path) -> None:
    reranker, pairs = Reranker.load(tiny_ranker), [("a", "b"), ("c", "d")]
    np.testing.assert_array_equal(reranker.score(np.array(pairs)), reranker.score(pairs))  # type: ignore[arg-type]


def test_what_inherits_from_str_is_read_by_its_characters(
    tiny_classifier: Classifier, tiny_ranker: Path, tiny_tagger: Path
) -> None:
    zero_shot, reranker = ZeroShotClassifier(tiny_classifier, entailment="positive"), Reranker.load(tiny_ranker)
    text = Label.A.value
    calls: list[Callable[[str], Any]] = [
        lambda x: tiny_classifier.predict([x]),
        lambda x: TokenClassifier.load(tiny_tagger).tag([x], ignore_labels=()),
        lambda x: TokenClassifier.load(tiny_tagger).tag_words([[x]], ignore_labels=()),
        lambda x: reranker.rank(x, [x]),
        lambda x: zero_shot.rank([x], ["a", "b"]),
        lambda x: zero_shot.rank(["a"], [x, "b"]),
        lambda x: pipeline("ner", TokenClassifier.load(tiny_tagger))(x, ignore_labels=[]),
    ]
    for call in calls:
        assert call(Label.A) == call(text)
    texts = ["b", Label.A]
    assert [type(each) for each in text_list(texts, pairs=False)] == [str, str]
    assert texts[1] is Label.A  # the caller's list is as it was


def test_a_choice_may_be_a_member_of_an_enumeration(tiny_classifier: Classifier) -> None:
    class Activations(str, Enum):  # noqa: UP042
        LOGITS = "none"

    expected = tiny_classifier.scores(["a"], activation="none")
    assert (tiny_classifier.scores(["a"], activation=Activations.LOGITS) == expected).all()  # type: ignore[arg-type]


def test_any_iterable_of_texts_will_do(tiny_classifier: Classifier) -> None:
    expected = tiny_classifier.predict(["good", "bad"])
    assert tiny_classifier.predict(("good", "bad")) == expected
    assert tiny_classifier.predict(text for text in ["good", "bad"]) == expected
    assert tiny_classifier.predict(np.array(["good", "bad"])) == expected
    assert tiny_classifier.predict({"a": "good", "b": "bad"}.values()) == expected


@pytest.mark.parametrize(
    "texts", [{"good": 1}, {"good"}, frozenset(["good"]), None, 5, b"good", bytearray(b"a"), memoryview(b"a")]
)
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
    assert characters(["ab", "", "cde"]) == 8


@pytest.mark.parametrize("value", [1, 7, np.int8(7), np.uint64(1)])
def test_a_whole_number_within_its_range_is_an_int(value: Any) -> None:
    number = whole_number(value, "n", "a whole number from 1 to 7", 7)
    assert (type(number), number) == (int, value)


@pytest.mark.parametrize("value", [0, 8, -1, True, 1.0, np.float32(1), "1", None, [1]])
def test_what_is_no_whole_number_of_the_range_is_refused_as_it_was_given(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        whole_number(value, "n", "a whole number from 1 to 7", 7)
    assert str(caught.value) == f"n: expected a whole number from 1 to 7, got {value!r}."
