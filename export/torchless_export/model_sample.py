"""Texts that a model reads, where nobody gives any: chosen by its tokenizer, and made of the tokenizer's own words.

A language is one of the model's if its tokenizer takes the language's lines apart into few tokens and knows their
characters. Where little or nothing of what is written here is the model's language, or its vocabulary is not that of
everyday English (medicine, law, code), texts are made of the vocabulary's whole words, in their own casing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from .checkpoint.asking import asked

ENGLISH = "en"
# Tokens per character, spaces included, up to which a tokenizer reads a language. Tokenizers that were trained on one
# are at 0.2 to 0.3 in alphabets, and at 0.5 to 1 where a character is a syllable or a word; others are far above.
_MOST_TOKENS = {"LATIN": 0.3, "CJK": 1.1, "HIRAGANA": 1.1, "HANGUL": 1.1}
_MOST_ELSEWHERE = 0.5
_EVERYDAY = 0.25  # of English; a vocabulary that needs more has other words than these
_SPELT = 0.6  # of English; where letters are tokens, any text is as good
_LEAST_KNOWN = 0.97  # share of characters that some token stands for
_ENOUGH = 150  # texts
_MADE = 200
_WORDS_OF_VOCABULARY = 30_000


def texts_of(tokenizer: Any, english: Sequence[str]) -> tuple[list[str], str]:
    """Texts that a tokenizer reads, the same ones every time, and what they are.

    Args:
        tokenizer: of `tokenizers`.
        english: lines of everyday English.

    Raises:
        CheckpointError: the tokenizer fails on a text.
    """
    costs = {ENGLISH: _cost(tokenizer, english), **{name: _cost(tokenizer, lines) for name, lines in _lines().items()}}
    read = [name for name, cost in costs.items() if cost is not None and cost <= _limit(name)]
    everyday = ENGLISH in read and (costs[ENGLISH] or 0) <= _EVERYDAY
    texts = [line for name in read for line in (english if name == ENGLISH else _lines()[name])]
    parts = [f"lines in {', '.join(sorted(read))}"] if read and read != [ENGLISH] else []
    if not everyday and (len(texts) < _ENOUGH or ENGLISH in read):
        made = list(_made(tokenizer))
        cost = costs[ENGLISH]
        if not texts and (len(made) < _ENOUGH or (cost is not None and cost >= _SPELT)):
            return list(english), ""
        texts += made
        parts.append(f"{len(made)} texts of words from the model's vocabulary")
    return texts or list(english), " and ".join(parts)


@cache
def _lines() -> Mapping[str, list[str]]:
    """Four or five lines in each of many languages, by its code."""
    lines: dict[str, list[str]] = {}
    for row in files(__package__).joinpath("languages.txt").read_text(encoding="utf-8").splitlines():
        language, _, text = row.partition("\t")
        lines.setdefault(language, []).append(text)
    return lines


def _script(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]


def _limit(language: str) -> float:
    first = "a" if language == ENGLISH else next(letter for letter in _lines()[language][0] if letter.isalpha())
    return _MOST_TOKENS.get(_script(first), _MOST_ELSEWHERE)


def _cost(tokenizer: Any, lines: Sequence[str]) -> float | None:
    """Tokens per character; None where the tokenizer does not know the characters."""
    unknown = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "")
    known = tokens = characters = 0
    for line, encoding in zip(lines, _encoded(tokenizer, lines), strict=True):
        pieces = zip(encoding.ids, encoding.offsets, strict=True)
        places = {place for index, span in pieces if index != unknown for place in range(*span)}
        letters = {place for place, letter in enumerate(line) if not letter.isspace()}
        known, characters = known + len(places & letters), characters + len(letters)
        tokens += len(encoding.ids)
    return tokens / sum(map(len, lines)) if known >= _LEAST_KNOWN * characters else None


def _encoded(tokenizer: Any, texts: Sequence[str]) -> list[Any]:
    encodings: list[Any] = asked(lambda some: tokenizer.encode_batch(list(some), add_special_tokens=False), texts)
    return encodings


def _made(tokenizer: Any) -> Iterator[str]:
    """Rows of words, the commoner ones more often; words of one script stay together."""
    words: dict[str, list[str]] = {}
    for word in _whole_words(tokenizer):
        words.setdefault(_script(word[0]), []).append(word)
    total = sum(map(len, words.values()))
    random = np.random.default_rng(0)
    for script, found in words.items():
        weights = 1 / (np.arange(len(found)) + 50)  # vocabularies are in the order of frequency, about
        for _ in range(round(_MADE * len(found) / total)):
            chosen = random.choice(found, random.integers(4, 30), p=weights / weights.sum())
            yield ("" if script in _MOST_TOKENS and script != "LATIN" and script != "HANGUL" else " ").join(chosen)


def _whole_words(tokenizer: Any) -> Iterator[str]:
    """Entries of the vocabulary that are a word of letters, and one token where they stand alone."""
    added = tokenizer.get_added_tokens_decoder()
    ids = [index for index in sorted(tokenizer.get_vocab().values()) if index not in added][:_WORDS_OF_VOCABULARY]
    words = [text.strip() for text in asked(lambda _: tokenizer.decode_batch([[index] for index in ids]), [])]
    for index, word, encoding in zip(ids, words, _encoded(tokenizer, words), strict=True):
        long = len(word) > 2 or (word and _script(word[0]) not in ("LATIN", "CYRILLIC", "GREEK"))
        if long and word.isalpha() and encoding.ids == [index]:
            yield word
