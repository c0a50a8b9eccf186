"""Words and the tokens that begin them: a word has the tag of its first token, as everyone scores taggers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from .entities import Place


def first_tokens(words: Sequence[Place], starts: Sequence[int]) -> list[int | None]:
    """The index of each word's first token; None for a word without one, as beyond the model's limit.

    Args:
        words: places in the text, in order.
        starts: where each token begins. A token that begins in the blank before a word is the word's.
    """
    ends = [end for _, end in words]
    first: list[int | None] = [None] * len(words)
    for index, start in enumerate(starts):
        word = bisect_right(ends, start)
        if word < len(words) and first[word] is None:
            first[word] = index
    return first
