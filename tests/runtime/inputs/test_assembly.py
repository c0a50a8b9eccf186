"""Pairs and windows are put together as `tokenizers` would do it, where it can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tokenizers

from torchless import TextPair, Windows
from torchless.bundle.manifest import TOKENIZER
from torchless.errors import InputError
from torchless.inputs.arguments import Side
from torchless.inputs.assembly import Assembler

SIDES: tuple[Side, ...] = ("right", "left")
LETTERS = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"]  # a token each


@pytest.fixture(scope="module")
def whole(mini: Path) -> Any:
    return tokenizers.Tokenizer.from_file(str(mini / TOKENIZER))


@pytest.fixture
def cutting(mini: Path) -> Any:
    return tokenizers.Tokenizer.from_file(str(mini / TOKENIZER))


def letters(count: int) -> str:
    return " ".join(LETTERS[:count])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("limit", range(4, 12))
def test_a_pair_is_cut_longest_first(whole: Any, cutting: Any, limit: int, side: Side) -> None:
    cutting.enable_truncation(limit, direction=side)
    assembler = Assembler(whole, limit, side)
    for first in range(10):
        for second in range(10):
            expected = cutting.encode(letters(first), letters(second))
            (row,) = assembler.encode([TextPair(letters(first), letters(second))])
            assert (row.ids, row.types) == (expected.ids, expected.type_ids), (first, second)
            assert row.truncated == (first + second + 3 > limit)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("limit", range(4, 12))
def test_windows_overlap_by_the_stride(whole: Any, cutting: Any, limit: int, side: Side) -> None:
    assembler = Assembler(whole, limit, side)
    for stride in range(limit - 2):
        cutting.enable_truncation(limit, stride=stride, strategy="only_first", direction=side)
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


def test_the_first_window_of_left_truncation_is_the_end_of_the_text(whole: Any) -> None:
    texts = [letters(8), TextPair(letters(8), "x")]
    groups = Assembler(whole, 6, "left").windows(texts, Windows(combine="first"))
    assert [rows[0].ids for rows in groups] == [whole.encode("e f g h").ids, whole.encode("g h", "x").ids]


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


def words(*vocabulary: str, template: bool) -> Any:
    """A BPE tokenizer of these characters that has no token for any other, and no special tokens without a template."""
    pieces = ["[CLS]", "[SEP]", *vocabulary]
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.BPE({piece: index for index, piece in enumerate(pieces)}, merges=[])
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    if template:
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", 0), ("[SEP]", 1)],
        )
    return tokenizer


def test_special_tokens_stand_around_texts_of_a_tokenizer_that_does_not_know_a() -> None:
    tokenizer = words("天", "气", template=True)
    cases = ["", "a", "天气", TextPair("", "天"), TextPair("天", "a"), TextPair("a", "b"), TextPair("天气", "气")]
    for texts in [cases, *([case] for case in cases)]:
        for text, row in zip(texts, Assembler(tokenizer, 8).encode(texts), strict=True):
            parts = (text,) if isinstance(text, str) else (text.first, text.second)
            expected = tokenizer.encode(*parts)
            assert (row.ids, row.types) == (expected.ids, expected.type_ids), text
    (rows,) = Assembler(tokenizer, 3).windows(["天气"], Windows())
    assert [row.ids for row in rows] == [[0, 2, 1], [0, 3, 1]]


def test_a_text_without_any_token_is_refused() -> None:
    assembler = Assembler(words("x", template=False), 8)
    assert [row.ids for row in assembler.encode(["x", TextPair("", "x")])] == [[2], [2]]
    for read in (assembler.encode, lambda texts: assembler.windows(texts, Windows())):
        with pytest.raises(InputError, match=r"texts\[1\]: expected a text with a token"):
            read(["x", ""])
