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


def test_pairs_have_exactly_so_many_tokens_and_two_texts(count_tokens: Callable[..., int]) -> None:
    maker = TextMaker(count_tokens, pairs=True)
    for tokens in (8, 16, 128):
        first, second = maker.of_length(tokens)
        assert count_tokens(first, second) == tokens
        assert first
        assert second
    assert all(first and second for first, second in maker.of_mixed_lengths(50))


def test_documents_are_ranked_for_one_query(count_tokens: Callable[..., int]) -> None:
    pairs = TextMaker(count_tokens, pairs=True, one_query=True).of_mixed_lengths(20)
    assert len({query for query, _ in pairs}) == 1
    assert len({document for _, document in pairs}) > 10
