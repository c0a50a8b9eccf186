"""Which calls are timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .contenders.contender import Input
from .workload_texts import TextMaker, draw

LENGTHS = (8, 16, 32, 64, 128, 256, 512)
BATCH_SIZES = (8, 32)
_TEXTS_PER_LENGTH, _BATCHES = 8, 6
WorkloadKind = Literal["single", "batch", "packed", "list", "file"]
WHOLE: tuple[WorkloadKind, ...] = ("list", "file")  # timed once per round, and reported as texts per second


@dataclass(frozen=True)
class Workload:
    """Calls that are timed together.

    Attributes:
        name: its name in tables and records.
        kind: "single" is one text of a length, "batch" a batch of mixed lengths, "packed" a batch of equal lengths,
            whose arithmetic is compared with the machine's peak, "list" a whole list from text to label, and "file" a
            CSV file of the same texts into one with their labels.
        batches: the texts of each call; calls take them in turn.
        tokens: number of tokens of each call; None where calls differ.
    """

    name: str
    kind: WorkloadKind
    batches: Sequence[list[Input]]
    tokens: int | None = None

    @property
    def texts_per_call(self) -> int:
        """Number of texts in a call."""
        return len(self.batches[0])


def all_workloads(
    maker: TextMaker, max_tokens: int, own_texts: Sequence[Input] | None, list_texts: int, lengths: Sequence[int]
) -> list[Workload]:
    """Every workload, shortest calls first; a file has single texts, so pairs have none.

    Args:
        maker: makes texts of a length.
        max_tokens: the most tokens that the model reads; lengths beyond it are left out.
        own_texts: the texts that batches and the list are drawn from; None makes texts with SST-2's lengths.
        list_texts: number of texts in the list.
        lengths: numbers of tokens of the single texts.
    """

    def mixed(count: int, seed: int) -> list[Input]:
        return draw(own_texts, count, seed) if own_texts else maker.of_mixed_lengths(count)

    single = [
        Workload(f"1 x {tokens}", "single", [[maker.of_length(tokens)] for _ in range(_TEXTS_PER_LENGTH)], tokens)
        for tokens in lengths
        if tokens <= max_tokens
    ]
    batches = [
        Workload(f"{size} mixed", "batch", [mixed(size, seed) for seed in range(_BATCHES)]) for size in BATCH_SIZES
    ]
    packed = Workload("8 x 32", "packed", [[maker.of_length(32) for _ in range(8)] for _ in range(4)], 256)
    whole = Workload(f"list of {list_texts:,}", "list", [mixed(list_texts, _BATCHES)])
    if not isinstance(whole.batches[0][0], str):
        return [*single, *batches, packed, whole]
    return [*single, *batches, packed, whole, Workload(f"file of {list_texts:,} rows", "file", whole.batches)]
