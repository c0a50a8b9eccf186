"""Does the bundle's tokenizer give the token ids of the checkpoint's own? Asked on thousands of texts made by rule."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from torchless import Bundle, Windows
from torchless.inputs.arguments import Text, TextPair
from torchless.inputs.tokens import Batch, Tokenizer

from . import samples, tokenizer_texts
from .checkpoint.asking import asked, shown_text
from .checkpoint.tokenizer import AS_CODE
from .reference import Reference

_WINDOW, _STRIDE = 24, 4  # tokens
_BATCH_TEXTS = 512
_SHOWN = 12  # token ids

Rows = list[tuple[list[int], list[int]]]  # of each text, or of each window: token ids and types
Answers = tuple[list[Text], Rows, Rows]  # the text of each row, ours, and transformers'


def first_difference(bundle: Bundle, reference: Reference) -> str | None:
    """The first text that the two tokenizers take apart differently, in words; None where there is none.

    Raises:
        CheckpointError: a tokenizer fails on a text.
    """
    for texts, ours, expected in _answers(bundle, reference):
        if ours != expected:
            code = reference.slow_tokenizer
            return _named(texts, ours, expected) + (f". {type(code).__name__} {AS_CODE}" if code else "")
    return None


def _answers(bundle: Bundle, reference: Reference) -> Iterator[Answers]:
    tokenizer, limit = bundle.tokenizer(), bundle.manifest.max_tokens
    singles = tokenizer_texts.singles(reference.tokenizer, limit)
    if reference.slow_tokenizer is not None:
        singles = [text for text in singles if all(map(_long_known, text))]
    for start in range(0, len(singles), _BATCH_TEXTS):
        yield _cut(tokenizer, reference, singles[start : start + _BATCH_TEXTS])
    pairs = tokenizer_texts.pairs(singles) if bundle.manifest.pairs else []
    if pairs:
        yield _cut(tokenizer, reference, pairs)
    if reference.slow_tokenizer is not None:  # Python code answers lists without windows
        return
    yield from _windows(tokenizer, reference, samples.spread(singles, 100), limit)
    yield from _windows(tokenizer, reference, pairs, limit)


def _long_known(letter: str) -> bool:
    """Whether Python's and Rust's tables of Unicode agree on a character: they are of different versions."""
    kind = unicodedata.category(letter)
    return kind[0] == "S" or (kind != "Co" and unicodedata.ucd_3_2_0.category(letter) == kind != "Cn")


def _cut(tokenizer: Tokenizer, reference: Reference, texts: Sequence[Text]) -> Answers:
    """Texts at the limit."""
    expected = asked(reference.tokens, texts)
    rows = _rows(expected)
    read = [(text, row) for text, row in zip(texts, rows, strict=True) if row[0]]  # without tokens there is no answer
    kept = [text for text, _ in read]
    batch = asked(tokenizer.encode, kept)
    return kept, _split(batch, expected), [row for _, row in read]


def _windows(tokenizer: Tokenizer, reference: Reference, texts: Sequence[Text], limit: int) -> Iterator[Answers]:
    """Texts in windows that overlap, far below the limit; of pairs those whose second text leaves room."""
    size = min(limit, _WINDOW)
    bare = [TextPair("", text.second) if isinstance(text, TextPair) else "" for text in texts]  # what every window has
    both = zip(texts, _ids(reference, texts), _ids(reference, bare), strict=True)
    kept = [text for text, ids, around in both if ids and len(around) + _STRIDE < size]
    if not kept:
        return
    options = {"truncation": "only_first", "max_length": size, "stride": _STRIDE, "return_overflowing_tokens": True}
    expected = asked(lambda some: reference.tokens(some, **options), kept)
    windows = Windows(stride=_STRIDE, size=size)
    batch = asked(lambda some: tokenizer.encode_windows(some, windows).batch, kept)
    yield [kept[place] for place in expected["overflow_to_sample_mapping"]], _split(batch, expected), _rows(expected)


def _ids(reference: Reference, texts: Sequence[Text]) -> list[list[int]]:
    ids: list[list[int]] = asked(reference.tokens, texts)["input_ids"] if texts else []
    return ids


def _rows(encoded: Any) -> Rows:
    ids = encoded["input_ids"]
    types = encoded["token_type_ids"] if "token_type_ids" in encoded else [[0] * len(row) for row in ids]
    return list(zip(ids, types, strict=True))


def _split(batch: Batch, expected: Any) -> Rows:
    """A batch as rows; its types count only where transformers passes types to the model."""
    types = batch.type_ids if "token_type_ids" in expected else np.zeros_like(batch.type_ids)
    ends = batch.offsets[1:-1]
    ids, kinds = (
        [row.tolist() for row in np.split(values, ends)] if len(batch.lengths) else []
        for values in (batch.input_ids, types)
    )
    return list(zip(ids, kinds, strict=True))


def _named(texts: Sequence[Text], ours: Rows, expected: Rows) -> str:
    if len(ours) != len(expected):
        return f"{len(expected)} windows in transformers, {len(ours)} here. {_ADVICE}"
    place = next(index for index, row in enumerate(ours) if row != expected[index])
    kind = 0 if ours[place][0] != expected[place][0] else 1
    mine, theirs = ours[place][kind], expected[place][kind]
    shortest = min(len(mine), len(theirs))
    where = next((index for index in range(shortest) if mine[index] != theirs[index]), shortest)
    return (
        f"{shown_text(texts[place])} has the {('ids', 'types')[kind]} {_part(theirs, where)} in transformers, "
        f"{_part(mine, where)} here (from token {where} of {len(theirs)} and {len(mine)} on). {_ADVICE}"
    )


_ADVICE = (
    "A setting outside tokenizer.json changes them: compare tokenizer_config.json with tokenizer.json, and save the "
    "tokenizer again with transformers' save_pretrained"
)


def _part(ids: list[int], start: int) -> str:
    return str(ids[start : start + _SHOWN])[:-1] + (", …]" if len(ids) > start + _SHOWN else "]")
