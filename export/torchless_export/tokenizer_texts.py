"""Texts that take tokenizers to their edges, made by rule from Unicode's ranges and from the tokenizer itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from torchless.inputs.arguments import TextPair

from .samples import built_in, spread

# Code points: from, to and of how many runs one is taken. Half of all characters in use are in the first two planes.
_RUN = 32
_RANGES = (
    (0x0000, 0xD800, 1),
    (0xE000, 0x10000, 8),  # private use, compatibility forms
    (0xF900, 0x10000, 1),
    (0x10000, 0x20000, 4),
    (0x20000, 0x34000, 64),
    (0x40000, 0x110000, 2048),  # planes without characters
    (0xE0000, 0xE0200, 1),  # tags, variation selectors
)
_BLANKS = " \t\n\r\v\f\x1c\x85\xa0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000"
_INVISIBLE = (
    "\x00\x01\x07\x1b\x7f\x9f\xad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2066\u2069\ufeff\ufffd\uffff"
)
_EMOJI = (
    "\U0001f600",
    "\U0001f44d\U0001f3fd",  # a skin tone
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",  # a family
    "\U0001f3f3\ufe0f\u200d\U0001f308",
    "\U0001f1fa\U0001f1f3\U0001f1fa",  # a flag, and half of one
    "1\ufe0f\u20e3",
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "\u2764\ufe0f\u200d\U0001f525",
)
_WRITTEN = (
    "\u0634\u0643\u0631\u0627 \u202bab\u202c \u05e9\u05dc\u05d5\u05dd, 12\u066034",
    "e" + "\u0301\u0323\u0489" * 200,
    "\u1112\u1161\u11ab \ud55c \ufb01\u0132\u01c4 \u00df\u1e9e \u0130\u0131 \u03a3\u03c2 A\u030a\u212b\u00c5",
    "\uff28\uff45\uff4c\uff4c\uff4f \u4eca\u5929\u5929\u6c14\u3002",
    "\u3053\u3093\u306b\u3061\u306f\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "don't can\u2019t o'clock C++ a_b-c/d 1,000.50 #tag @name http://a.b/c?d=e&f=%20 x" + "!" * 300,
    "a" * 400,
)
_WORDS_OF_VOCABULARY, _SEQUENCES, _SURFACES = 20_000, 400, 200


def singles(tokenizer: Any, max_tokens: int) -> list[str]:
    """Some thousand texts, the same ones for the same tokenizer: empty, of a few tokens, up to beyond the limit.

    Args:
        tokenizer: transformers' own, with a `backend_tokenizer`.
        max_tokens: the limit.
    """
    return ["", *_written(), *_surfaces(tokenizer), *of_vocabulary(tokenizer, max_tokens), *_of_unicode()]


def odd() -> list[str]:
    """A few texts of many scripts, with blanks, marks and emoji in places where people leave them."""
    blanks = [f"{blank * 2}a{blank}b  c{blank}" for blank in " \t\n\u00a0\u200b\u3000"]
    return [*_WRITTEN, *blanks, *(f"{emoji} a{emoji} {emoji}b" for emoji in _EMOJI)]


def pairs(texts: Sequence[str]) -> list[TextPair]:
    """Pairs of these, of both orders, some with an empty text, some too long because of the first, second or both."""
    some = spread(sorted(texts, key=len), 60)
    others = [*some[1::2], *some[::2]]
    mixed = [TextPair(first, second) for first, second in zip(some, others, strict=True)]
    return [*mixed, *(TextPair(pair.second, pair.first) for pair in mixed), TextPair(some[-1], some[-2])]


def _of_unicode() -> Iterator[str]:
    for start, stop, step in _RANGES:
        for first in range(start, stop, _RUN * step):
            run = [chr(code) for code in range(first, first + _RUN)]
            # Some characters join their neighbours, others end a word.
            yield "".join(run) if (first // _RUN) % 2 else " ".join(run)


def _written() -> Iterator[str]:
    yield from built_in()[::4]
    yield from _WRITTEN
    for blank in _BLANKS:
        yield from (blank, f"a{blank}b", f"{blank * 2}a{blank * 17}b{blank * 3}", f"a {blank} {blank}")
    yield from (f"a{mark}b {mark} c{mark}" for mark in _INVISIBLE)
    yield "".join(_INVISIBLE)
    yield from (f"{emoji}{emoji} a{emoji} {emoji}b" for emoji in _EMOJI)


def _surfaces(tokenizer: Any) -> Iterator[str]:
    """Special and added tokens as someone may write them in a text."""
    added = (token.content for token in tokenizer.backend_tokenizer.get_added_tokens_decoder().values())
    for word in spread(sorted({*tokenizer.all_special_tokens, *added}), _SURFACES):
        yield from (
            word,
            f"a{word}b",
            f"a {word} b",
            f" {word}{word} .",
            f"x {word.lower()} {word.upper()}, {word[:-1]}",
        )


def of_vocabulary(tokenizer: Any, max_tokens: int) -> Iterator[str]:
    """What the vocabulary's entries stand for, one after another, at random, and in texts around the limit."""
    ids = sorted(tokenizer.backend_tokenizer.get_vocab().values())
    some = spread(ids, _WORDS_OF_VOCABULARY)
    rows = [some[start : start + _RUN] for start in range(0, len(some), _RUN)]
    random = np.random.default_rng(0)
    rows += [random.choice(ids, random.integers(1, 2 * _RUN)).tolist() for _ in range(_SEQUENCES)]
    rows += [random.choice(ids, max(max_tokens + more, 1)).tolist() for more in (-3, -2, -1, 0, 1, max_tokens)]
    decoded: list[str] = tokenizer.backend_tokenizer.decode_batch(rows, skip_special_tokens=False)
    yield from decoded
