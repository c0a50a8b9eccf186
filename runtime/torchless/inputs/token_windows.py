"""How a model that labels tokens reads long texts: in windows that overlap, or cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torchless.errors import InputError

from .arguments import Side
from .text_tokens import TextTokens
from .tokens import Batch, Tokenizer, batch_of


@dataclass(frozen=True)
class Reading:
    """How long texts are read: in windows, or cut.

    Attributes:
        room: tokens of a text that one window holds, special ones left out.
        stride: how many of them a window shares with the one before it.
        truncate: read the first window alone.
        side: where a text that is cut loses tokens.
    """

    room: int
    stride: int
    truncate: bool
    side: Side

    @classmethod
    def of(cls, tokenizer: Tokenizer, stride: int | None, *, truncate: bool) -> Reading:
        """That of a tokenizer's model; a stride of None is a quarter of a window.

        Raises:
            InputError: a window has no room for text, or the stride leaves it no step to move on by.
        """
        room = tokenizer.max_tokens - tokenizer.parts.num_special_tokens_to_add(False)
        if room < 1 and not truncate:
            raise InputError(
                f"max_tokens: expected more than the {tokenizer.max_tokens} special tokens of a text, which is read in "
                f"windows, got {tokenizer.max_tokens}."
            )
        if stride is not None and stride >= max(room, 1):
            raise InputError(
                f"stride: expected less than the {max(room, 0)} tokens of a text that a window of "
                f"{tokenizer.max_tokens} holds, got {stride}."
            )
        return cls(room, room // 4 if stride is None else stride, truncate, tokenizer.truncation_side)

    def windows(self, tokens: int) -> list[range]:
        """The windows over so many tokens of a text, from its beginning to its end."""
        if tokens <= self.room:
            return [range(tokens)]
        if self.truncate:
            return [range(self.room) if self.side == "right" else range(tokens - self.room, tokens)]
        steps = range(0, tokens - self.stride, self.room - self.stride)
        return [range(step, min(step + self.room, tokens)) for step in steps]

    def count(self, tokens: float, special: int) -> float:
        """How many tokens a model reads of a text that has so many, those in two windows included.

        Args:
            tokens: with the special ones; or the most that there can be.
            special: how many of them are special; each window has them.
        """
        own = tokens - special
        if own <= self.room or self.truncate:
            return special + min(own, self.room)
        windows = math.ceil((own - self.stride) / (self.room - self.stride)) if own < math.inf else math.inf
        return own + (windows - 1) * self.stride + windows * special


def best_seen(windows: Sequence[range]) -> list[range]:
    """Which tokens to take from which window: of those that two share, each has half, so that none lies at an edge."""
    seams = [(after.start + before.stop) // 2 for before, after in pairwise(windows)]
    return [
        range(first, last) for first, last in zip([windows[0].start, *seams], [*seams, windows[-1].stop], strict=True)
    ]


def batch(texts: Sequence[TextTokens], windows: Sequence[Sequence[range]], *, first: int = 0) -> Batch:
    """All windows of all texts, each a text of the batch.

    Args:
        texts: their tokens.
        windows: those of each text.
        first: the place of the first of them in the caller's list, for messages.

    Raises:
        InputError: a text has no tokens at all, which only a tokenizer without special tokens allows.
    """
    from .assembly import without_tokens

    for place, tokens in enumerate(texts, first):
        if not tokens.ids:
            raise without_tokens(place)
    sequences = [tokens.sequence(each) for tokens, ranges in zip(texts, windows, strict=True) for each in ranges]
    cut = [
        len(ranges) == 1 and len(ranges[0]) < len(tokens.own)
        for tokens, ranges in zip(texts, windows, strict=True)
        for _ in ranges
    ]
    return batch_of([ids for ids, _ in sequences], [types for _, types in sequences], cut)
