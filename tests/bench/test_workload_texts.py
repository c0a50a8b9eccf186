from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from torchless.errors import InputError
from torchless_bench.workload_texts import LONGEST, SHORTEST, TextMaker, draw, read


@pytest.mark.parametrize("tokens", [2, 3, 8, 16, 32, 64, 128, 256, 512])
def test_a_text_of_n_tokens_has_n_tokens(count_tokens: Callable[[str], int], tokens: int) -> None:
    assert count_tokens(TextMaker(count_tokens).of_length(tokens)) == tokens


def test_a_length_that_cannot_be_is_refused(count_tokens: Callable[[str], int]) -> None:
    with pytest.raises(InputError, match="no text of exactly 1 tokens"):
        TextMaker(count_tokens).of_length(1)


def test_mixed_lengths_are_spread_as_in_sst2(count_tokens: Callable[[str], int]) -> None:
    lengths = sorted(map(count_tokens, TextMaker(count_tokens).of_mixed_lengths(300)))
    assert lengths[0] >= SHORTEST
    assert lengths[-1] <= LONGEST
    assert 18 <= lengths[150] <= 26


def test_the_same_seed_makes_the_same_texts(count_tokens: Callable[[str], int]) -> None:
    assert TextMaker(count_tokens).of_mixed_lengths(5) == TextMaker(count_tokens).of_mixed_lengths(5)


def test_drawing_goes_round_where_texts_are_too_few() -> None:
    drawn = draw(["a", "b", "c"], 7)
    assert len(drawn) == 7
    assert set(drawn) == {"a", "b", "c"}
    assert drawn == draw(["a", "b", "c"], 7)


def test_a_file_without_texts_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(InputError, match=r"empty\.txt: expected texts, got none"):
        read(tmp_path / "empty.txt")
    with pytest.raises(InputError, match=r"absent\.txt: No such file"):
        read(tmp_path / "absent.txt")
