"""transformers' feature-extraction pipeline, where there is no transformers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from torchless.errors import InputError


@pytest.mark.parametrize(
    ("inputs", "parameters", "message"),
    [
        ([["a", "b"]], {}, "inputs[0]: expected a str, got list"),
        ("a", {"max_length": 8}, "max_length: feature-extraction takes truncation, tokenize_kwargs, return_tensors"),
        ("a", {"max_length": 8}, "The tokenizer's go into tokenize_kwargs"),
        ("a", {"tokenize_kwargs": {"foo": 1}}, "foo: tokenize_kwargs takes truncation, max_length"),
        ("a", {"tokenize_kwargs": {"padding": "max_length"}}, "there are no states of padding"),
        ("a", {"tokenize_kwargs": 5}, "tokenize_kwargs: expected a dict, got 5"),
        ("a", {"tokenize_kwargs": "ab"}, "tokenize_kwargs: expected a dict, got 'ab'"),
        ("a", {"tokenize_kwargs": [1]}, "tokenize_kwargs: expected a dict, got [1]"),
        ("a", {"tokenize_kwargs": np.array([1, 2])}, "tokenize_kwargs: expected a dict, got array([1, 2])"),
        ("a", {"tokenize_kwargs": {"padding": np.array([1, 2])}}, "padding: expected one of True, False"),
        ("a", {"return_tensors": np.array([1, 2])}, "return_tensors: expected True or False, got array([1, 2])"),
        ("a", {"truncation": True, "tokenize_kwargs": {"truncation": True}}, "truncation: given twice"),
    ],
)
def test_a_call_for_features_that_is_not_understood_is_refused(
    extract: Any, inputs: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        extract(inputs, **parameters)
    assert message in str(caught.value)


def test_tensors_may_be_asked_for_by_a_framework_s_name(extract: Any) -> None:
    np.testing.assert_array_equal(extract("a", return_tensors="pt"), extract("a", return_tensors=True))
    assert extract("a", return_tensors="") == extract("a")


def test_features_do_not_depend_on_the_batch(extract: Any, full_text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone, together = extract("a"), extract(["a", full_text], batch_size=2)[0]
    assert np.shape(alone) == np.shape(together) == (1, 3, 32)
    np.testing.assert_allclose(alone, together, atol=1e-6)
