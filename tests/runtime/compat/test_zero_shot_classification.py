"""transformers' zero-shot-classification pipeline, where there is no transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from torchless.compat.zero_shot_classification import _order
from torchless.errors import InputError


@pytest.mark.parametrize(
    ("sequences", "parameters", "message"),
    [
        ("", {"candidate_labels": "a"}, "sequences[0]: expected a str that is not empty, got ''"),
        (["a", 3], {"candidate_labels": "a"}, "sequences[1]: expected a str that is not empty, got 3"),
        (("a", "b"), {"candidate_labels": "a"}, "sequences[0]: expected a str that is not empty"),
        ("a", {}, "candidate_labels: expected a list, or a str with commas, got NoneType"),
        ("a", {"candidate_labels": {"b"}}, "candidate_labels: expected a list"),
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


def test_noise_between_equal_scores_leaves_their_order_alone() -> None:
    equal = np.repeat(np.array([0.35, 0.1, 0.35, 0.05], np.float32), 6)
    noise = np.linspace(1, 1 + 2e-6, len(equal), dtype=np.float32)
    expected = list(reversed(equal.argsort().tolist()))  # transformers' own words
    assert _order(equal) == _order(equal * noise) == expected
    assert _order(np.array([3e-6, 1e-6, 0.5], np.float32)) == [2, 0, 1]
