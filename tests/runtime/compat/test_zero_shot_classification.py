"""transformers' zero-shot-classification pipeline, where there is no transformers."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
import pytest

from torchless.compat.zero_shot_classification import _order
from torchless.errors import InputError

FLAGS = np.array([True, False])


class Label(str, Enum):  # noqa: UP042  # as they are written before Python 3.11
    """Whose `str(member)` is not the member's text."""

    A = "a delight"
    B = "a waste"


@pytest.mark.parametrize(
    ("sequences", "parameters", "message"),
    [
        ("", {"candidate_labels": "a"}, "sequences[0]: expected a str that is not empty, got ''"),
        (["a", 3], {"candidate_labels": "a"}, "sequences[1]: expected a str that is not empty, got 3"),
        (("a", "b"), {"candidate_labels": "a"}, "sequences[0]: expected a str that is not empty"),
        ("a", {}, "candidate_labels: expected a list of str, or a str with commas, got NoneType"),
        ("a", {"candidate_labels": {"b"}}, "candidate_labels: expected a list"),
        (
            "a",
            {"candidate_labels": b"a,b"},
            "candidate_labels: expected a list of str, or a str with commas, got bytes",
        ),
        ("a", {"candidate_labels": bytearray(b"a,b")}, "got bytearray"),
        ("a", {"candidate_labels": memoryview(b"a,b")}, "got memoryview"),
        ("a", {"candidate_labels": np.array("x")}, "candidate_labels: expected a list of str"),
        ("a", {"candidate_labels": np.array([["x", "y"]])}, "got ndarray. Pass one column of it."),
        ("a", {"candidate_labels": (label for label in "ab")}, "candidate_labels: expected a list of str"),
        ("a", {"candidate_labels": ["a", 10**5000]}, "candidate_labels[1]: expected a str, got an object of type int"),
        ("a", {"candidate_labels": ["a", float("nan")]}, "candidate_labels[1]: expected a str, got nan"),
        ("a", {"candidate_labels": "b", "truncation": FLAGS}, "truncation: expected True: the text alone is cut"),
        ("a", {"candidate_labels": "b", "multi_label": FLAGS}, "multi_label: expected True or False, got array"),
        ("a", {"candidate_labels": "b", "multi_label": "yes"}, "multi_label: expected True or False, got 'yes'"),
        ("a", {"candidate_labels": [None]}, "candidate_labels[0]: expected a str, got None"),
        ("a", {"candidate_labels": "b", "truncation": False}, "truncation: expected True: the text alone is cut"),
        ("a", {"candidate_labels": "b", "top_k": 1}, "top_k: zero-shot-classification takes candidate_labels"),
    ],
)
def test_a_zero_shot_call_that_is_not_understood_is_refused(
    choose: Any, sequences: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        choose(sequences, **parameters)
    assert message in str(caught.value)


def test_labels_are_their_own_text_whatever_holds_them(choose: Any) -> None:
    expected = choose("x", ["a delight", "a waste"])
    assert choose("x", np.array(["a delight", "a waste"])) == expected
    assert choose("x", [Label.A, Label.B]) == expected
    numbers = choose("x", [1, 2.5])
    assert sorted(numbers["labels"]) == [1, 2.5]
    assert numbers["scores"] == choose("x", ["1", "2.5"])["scores"]


def test_an_old_flag_that_is_an_array_is_refused_too(choose: Any) -> None:
    with (
        pytest.raises(InputError, match="multi_class: expected True or False, got array"),
        pytest.warns(UserWarning, match="it is called multi_label now"),
    ):
        choose("x", "a", multi_class=FLAGS)
    assert choose("x", "a,b", multi_label=None, truncation=np.True_) == choose("x", "a,b")


def test_noise_between_equal_scores_leaves_their_order_alone() -> None:
    equal = np.repeat(np.array([0.35, 0.1, 0.35, 0.05], np.float32), 6)
    noise = np.linspace(1, 1 + 2e-6, len(equal), dtype=np.float32)
    expected = list(reversed(equal.argsort().tolist()))  # transformers' own words
    assert _order(equal) == _order(equal * noise) == expected
    assert _order(np.array([3e-6, 1e-6, 0.5], np.float32)) == [2, 0, 1]
