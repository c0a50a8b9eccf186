"""What is timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .texts import TextMaker, draw

LENGTHS = (8, 16, 32, 64, 128, 256, 512)
BATCH_SIZES = (8, 32)
_TEXTS_A_LENGTH, _BATCHES = 8, 6
Kind = Literal["single", "batch", "packed", "list"]


@dataclass(frozen=True)
class Workload:
    """Calls to be timed.

    Attributes:
        name: what the tables call it.
        kind: "single" texts of one length, "batch"es of mixed lengths, the "packed" one that is held against the
            machine's peak, or a whole "list" from text to label.
        batches: the texts of each call, taken in turn.
        tokens: how many tokens each call has; None where calls differ.
    """

    name: str
    kind: Kind
    batches: Sequence[list[str]]
    tokens: int | None = None

    @property
    def texts_a_call(self) -> int:
        """Texts in one call."""
        return len(self.batches[0])


def workloads(
    maker: TextMaker, max_tokens: int, own_texts: Sequence[str] | None, list_texts: int, lengths: Sequence[int]
) -> list[Workload]:
    """All of them, shortest calls first.

    Args:
        maker: makes texts of given lengths.
        max_tokens: the model's limit; longer single texts are left out.
        own_texts: what batches and the list are drawn from; None makes texts of SST-2's lengths.
        list_texts: how many texts the list has.
        lengths: of the single texts, in tokens.
    """

    def mixed(count: int, seed: int) -> list[str]:
        return draw(own_texts, count, seed) if own_texts else maker.of_mixed_lengths(count)

    single = [
        Workload(f"1 x {tokens}", "single", [[maker.of_length(tokens)] for _ in range(_TEXTS_A_LENGTH)], tokens)
        for tokens in lengths
        if tokens <= max_tokens
    ]
    batches = [
        Workload(f"{size} mixed", "batch", [mixed(size, seed) for seed in range(_BATCHES)]) for size in BATCH_SIZES
    ]
    packed = Workload("8 x 32", "packed", [[maker.of_length(32) for _ in range(8)] for _ in range(4)], 256)
    whole = Workload(f"list of {list_texts:,}", "list", [mixed(list_texts, _BATCHES)])
    return [*single, *batches, packed, whole]
