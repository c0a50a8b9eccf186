"""What writes an output, whatever its format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from .rows import Block


class Target(Protocol):
    """A format of outputs."""

    def encode(self, chunk: Block, answers: Sequence[Sequence[Any]]) -> Iterator[bytes]:
        """The rows of a chunk as they are kept.

        Args:
            chunk: its rows.
            answers: of each new column one value per row, None where there is none.
        """
        ...

    def assemble(self, parts: Iterable[Path], path: Path) -> None:
        """Write the file of all chunks that were kept.

        Raises:
            OutputError: the disk is full.
        """
        ...
