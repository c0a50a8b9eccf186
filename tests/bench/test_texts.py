from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from torchless.errors import InputError
from torchless_bench.shapes import SHAPES, vocabulary
from torchless_bench.texts import LONGEST, SHORTEST, TextMaker, draw, read
from torchless_bench.workloads import workloads


@pytest.fixture(params=["tiny", "mini"])
def count_tokens(request: pytest.FixtureRequest) -> Callable[[str], int]:
    tokenizer = Tokenizer.from_file(str(request.getfixturevalue(request.param) / "tokenizer.json"))
    tokenizer.no_truncation()
    return lambda text: len(tokenizer.encode(text).ids)


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


def test_lengths_beyond_the_models_limit_are_left_out(count_tokens: Callable[[str], int]) -> None:
    loads = workloads(TextMaker(count_tokens), 64, None, list_texts=10, lengths=(8, 64, 128))
    assert [load.tokens for load in loads if load.kind == "single"] == [8, 64]


def test_own_texts_fill_batches_and_the_list(count_tokens: Callable[[str], int]) -> None:
    loads = workloads(TextMaker(count_tokens), 64, ["mine"], list_texts=10, lengths=(8,))
    assert [load.batches[0] for load in loads if load.kind in ("batch", "list")] == [["mine"] * n for n in (8, 32, 10)]


@pytest.mark.parametrize("shape", [name for name in SHAPES if "vocab_size" in SHAPES[name]])
def test_a_made_vocabulary_has_the_asked_size_and_no_token_twice(shape: str) -> None:
    size = SHAPES[shape]["vocab_size"]
    assert len(set(vocabulary(size))) == size
