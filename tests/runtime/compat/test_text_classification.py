"""transformers' text-classification pipeline, where there is no transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless.compat import pipeline
from torchless.errors import IncompatibleError, InputError

TEXTS = np.array(["good", "bad"])


@pytest.mark.parametrize(
    ("inputs", "parameters", "message"),
    [
        (
            ("good", "bad"),
            {},
            "inputs[0]: expected a str, or a dict of two str {'text': …, 'text_pair': …}, got a tuple",
        ),
        (["good", ("good", "bad")], {}, "inputs[1]: expected a str"),
        ({"text": ["good"]}, {}, "got a dict with 'text': list"),
        ({"text": "good", "pair": "bad"}, {}, "got a dict with 'text': str, 'pair': str"),
        ({"text": "good", "text_pair": "bad"}, {"text_pair": "x"}, "has a text_pair of its own"),
        ("good", {"text_pair": TEXTS}, "texts[0].second: expected str, got ndarray"),
        ({"text": "good", "text_pair": TEXTS}, {}, "texts[0].second: expected str, got ndarray"),
        ("good", {"foo": 1}, "foo: text-classification takes top_k"),
        ("good", {"candidate_labels": ["a"]}, "candidate_labels: text-classification takes"),
        ("good", {"top_k": 1.0}, "top_k: expected a whole number, or None for all labels, got 1.0"),
        ("good", {"function_to_apply": "default"}, "function_to_apply: expected one of softmax, sigmoid, none or None"),
        ("good", {"add_special_tokens": False}, "add_special_tokens: expected True"),
        ("good", {"truncation": "only_second"}, "truncation: expected one of True, 'longest_first', 'only_first'"),
        ("good", {"truncation": True, "max_length": 0}, "max_length: expected a whole number of 1 or more, or None"),
        (
            "good",
            {"truncation": True, "max_length": 1},
            "max_tokens: expected 2 or more, because a text has 2 special tokens",
        ),
    ],
)
def test_a_call_that_is_not_understood_is_refused(
    classify: Any, inputs: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        classify(inputs, **parameters)
    assert message in str(caught.value)


def test_a_model_that_reads_no_pairs_says_so(mini: Path) -> None:
    with pytest.raises(InputError, match="this model takes single texts"):
        pipeline("text-classification", mini)({"text": "good", "text_pair": "bad"})
    with pytest.raises(IncompatibleError, match="reads single texts"), pytest.warns(UserWarning, match="entail"):
        pipeline("zero-shot-classification", mini)


def test_an_old_flag_that_is_an_array_is_refused(classify: Any) -> None:
    with (
        pytest.raises(InputError, match="return_all_scores: expected True or False, got array"),
        pytest.warns(UserWarning, match="return_all_scores is deprecated"),
    ):
        classify("good", return_all_scores=np.array([True, False]))


def test_old_arguments_are_understood_with_a_warning(classify: Any, choose: Any) -> None:
    with pytest.warns(UserWarning, match="return_all_scores is deprecated: use top_k=None") as caught:
        ((*entries,),) = classify("good", return_all_scores=True)
    assert caught[0].filename == __file__
    assert [entry["label"] for entry in entries] == ["negative", "neutral", "positive"]
    with pytest.warns(UserWarning, match="it is called multi_label now"):
        assert choose("good", ["a", "b"], multi_class=True) == choose("good", ["a", "b"], multi_label=True)
