"""Where texts are cut, and what is said of those beyond the model's limit."""

from __future__ import annotations

from typing import Any

import pytest

from torchless.errors import InputError


@pytest.mark.parametrize("pipe", ["classify", "extract"])
def test_a_text_beyond_the_limit_is_cut_with_a_warning(
    pipe: str, request: pytest.FixtureRequest, long_text: str, full_text: str
) -> None:
    pipe = request.getfixturevalue(pipe)
    expected = pipe(["a", long_text], truncation=True)
    with pytest.warns(UserWarning, match=r"inputs\[1\] is longer than the 64 tokens that the model takes") as caught:
        assert pipe(["a", long_text]) == expected
    assert caught[0].filename == __file__
    for truncation in (None, False):
        pipe(full_text, truncation=truncation)  # the longest that is whole


@pytest.mark.parametrize("pipe", ["classify", "extract"])
def test_a_text_beyond_the_limit_that_may_not_be_cut_is_refused(
    pipe: str, request: pytest.FixtureRequest, long_text: str
) -> None:
    pipe = request.getfixturevalue(pipe)
    with pytest.raises(InputError, match=r"inputs\[1\] is longer than the 64 tokens.* Pass truncation=True"):
        pipe(["a", long_text], truncation=False)


def test_a_max_length_beyond_the_limit_is_no_reason_to_cut_at_the_limit(classify: Any, long_text: str) -> None:
    assert classify("good", truncation=True, max_length=512) == classify("good")
    with pytest.raises(InputError, match="longer than the 64 tokens"):
        classify(long_text, truncation=True, max_length=512)
