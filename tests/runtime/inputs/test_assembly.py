"""Pairs and windows are put together as `tokenizers` would do it, where it can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tokenizers

from torchless import TextPair, Windows
from torchless.bundle.manifest import TOKENIZER
from torchless.errors import InputError
from torchless.inputs.assembly import Assembler

LETTERS = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"]  # a token each


@pytest.fixture(scope="module")
def whole(mini: Path) -> Any:
    return tokenizers.Tokenizer.from_file(str(mini / TOKENIZER))


@pytest.fixture
def cutting(mini: Path) -> Any:
    return tokenizers.Tokenizer.from_file(str(mini / TOKENIZER))


def letters(count: int) -> str:
    return " ".join(LETTERS[:count])


@pytest.mark.parametrize("limit", range(4, 12))
def test_a_pair_is_cut_longest_first(whole: Any, cutting: Any, limit: int) -> None:
    cutting.enable_truncation(limit)
    assembler = Assembler(whole, limit)
    for first in range(10):
        for second in range(10):
            expected = cutting.encode(letters(first), letters(second))
            (row,) = assembler.encode([TextPair(letters(first), letters(second))])
            assert (row.ids, row.types) == (expected.ids, expected.type_ids), (first, second)
            assert row.truncated == (first + second + 3 > limit)


@pytest.mark.parametrize("limit", range(4, 12))
def test_windows_overlap_by_the_stride(whole: Any, cutting: Any, limit: int) -> None:
    assembler = Assembler(whole, limit)
    for stride in range(limit - 2):
        cutting.enable_truncation(limit, stride=stride, strategy="only_first")
        for count in range(14):
            first = cutting.encode(letters(count))
            (rows,) = assembler.windows([letters(count)], Windows(stride=stride))
            assert [row.ids for row in rows] == [each.ids for each in [first, *first.overflowing]], (stride, count)


def test_the_windows_of_a_pair_go_over_its_first_text(whole: Any) -> None:
    (rows,) = Assembler(whole, 8).windows([TextPair(letters(6), "x y")], Windows(stride=1))
    texts = ["a b c", "c d e", "e f"]
    expected = [whole.encode(text, "x y") for text in texts]
    assert [row.ids for row in rows] == [each.ids for each in expected]
    assert [row.types for row in rows] == [each.type_ids for each in expected]


def test_the_first_window_alone_says_that_it_is_not_all(whole: Any) -> None:
    groups = Assembler(whole, 8).windows([letters(6), letters(7), TextPair(letters(4), "x")], Windows(combine="first"))
    assert [len(rows) for rows in groups] == [1, 1, 1]
    assert [rows[0].truncated for rows in groups] == [False, True, False]


def test_a_pair_of_two_long_texts_costs_no_more_than_their_sum(whole: Any) -> None:
    # tokenizers would keep some 65,000 pieces of overflow
    (row,) = Assembler(whole, 64).encode([TextPair("word " * 16_000, "other " * 16_000)])
    assert len(row.ids) == 64
    assert row.truncated


def test_a_limit_below_the_special_tokens_of_a_pair_is_refused(whole: Any) -> None:
    assembler = Assembler(whole, 2)
    assert len(assembler.encode(["a b"])[0].ids) == 2
    with pytest.raises(InputError, match=r"texts\[1\]: expected a limit of at least its 3 special tokens, got 2"):
        assembler.encode(["a", TextPair("a", "b")])
