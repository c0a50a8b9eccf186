"""Rows into chunks: what is planned, answered and kept together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torchless.inputs.arguments import characters

from .rows import Block

MOST_ROWS = 4096  # enough of each length to fill batches; a crash loses the chunks that are in work
_LEAST_ROWS = 128  # however many labels a text may have: smaller chunks fill no batches
_CHUNKS = 5  # being read, read, being answered, answered, being written
_BYTES_PER_CHARACTER = 16  # of a text in memory while its chunk is in work: the text, its tokens, its row
_BYTES_PER_BYTE = 8  # of a row's other columns


@dataclass(frozen=True)
class Budget:
    """How large a chunk may be.

    Attributes:
        rows: at most so many.
        size: about so many bytes of all columns.
        characters: about so many of all texts.
    """

    rows: int
    size: int
    characters: int

    @classmethod
    def of(cls, memory: int, answer_bytes: int) -> Budget:
        """The chunks that fit into some memory.

        Args:
            memory: for all chunks in work, in bytes.
            answer_bytes: of one row's answer while it is written.
        """
        each = memory // _CHUNKS
        rows = min(MOST_ROWS, max(_LEAST_ROWS, each // max(1, answer_bytes)))
        return cls(rows, max(1, each // _BYTES_PER_BYTE), max(1, each // _BYTES_PER_CHARACTER))


def chunks(blocks: Iterable[Block], budget: Budget) -> Iterator[Block]:
    """Cut and join blocks into chunks.

    Where a chunk ends depends on its own rows alone: a run that begins where one ended makes the same chunks.
    """
    parts: list[Block] = []
    rows = size = held = 0
    for block in blocks:
        start = 0
        for place, (text, bytes_) in enumerate(zip(block.texts, block.sizes, strict=True)):
            rows += 1
            size += bytes_
            held += 0 if text is None else characters(text)
            if rows >= budget.rows or size >= budget.size or held >= budget.characters:
                yield Block.join([*parts, block.part(start, place + 1)])
                parts, start = [], place + 1
                rows = size = held = 0
        if start == 0:
            parts.append(block)
        elif start < len(block.texts):
            parts.append(block.part(start, len(block.texts)))
    if parts:
        yield Block.join(parts)
