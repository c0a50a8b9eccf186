"""What the rows of every format become: blocks of rows, their texts, and what is wrong with some of them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from torchless.errors import InputError
from torchless.inputs.arguments import Text, TextPair, refuse_lone_surrogate

MOST_CHARACTERS = 1_000_000  # of a text; tokenising takes fifty bytes for each
_SHOWN = 1000  # characters of a bad row that its report holds


@dataclass(frozen=True)
class Wanted:
    """Which columns make a text.

    Attributes:
        column: the names that the column of the text may go by; the first that is there counts.
        pair_column: the column of the second text of each pair; None where there is none.
        pair: one second text for all rows; None where there is none.
    """

    column: Sequence[str]
    pair_column: str | None = None
    pair: str | None = None

    def names(self) -> list[Sequence[str]]:
        """Of each column that is read, the names it may go by."""
        return [self.column, *([(self.pair_column,)] if self.pair_column else [])]

    def text(self, values: Sequence[Any]) -> Text:
        """The text, or the pair, that the values of a row's columns are.

        Raises:
            InputError: one is no text that a model reads; the message says why.
        """
        for value in values:
            if value is None:
                raise InputError("null")
            if not isinstance(value, str):
                raise InputError(f"expected a string, got {type(value).__name__}")
            if len(value) > MOST_CHARACTERS:
                raise InputError(f"expected at most {MOST_CHARACTERS:,} characters, got {len(value):,}")
            if not value.isascii():
                refuse_lone_surrogate(value, "the text")
        if len(values) == 2:
            return TextPair(values[0], values[1])
        return values[0] if self.pair is None else TextPair(values[0], self.pair)


@dataclass(frozen=True)
class Problem:
    """Why a row has no answer.

    Attributes:
        file: the file that it stands in.
        line: the line that it ends on; None where a format has no lines.
        reason: what is wrong.
        content: the beginning of the row, where the format has lines.
    """

    file: str
    line: int | None
    reason: str
    content: str

    @classmethod
    def of(cls, file: str, line: int | None, reason: str, content: str = "") -> Problem:
        """A problem whose content is cut to a length that can be reported."""
        return cls(file, line, reason, content[:_SHOWN])

    def where(self, row: int) -> str:
        """The place of the row, for a message; rows are counted from 1."""
        return f"{self.file}, line {self.line}" if self.line else f"{self.file}, row {row}"


class Content(Protocol):
    """The columns of some rows, as their format holds them."""

    def part(self, start: int, stop: int) -> Self:
        """The rows from `start` to `stop`."""
        ...

    def joined(self, others: Sequence[Self]) -> Self:
        """These rows and then the others'."""
        ...

    def beginning(self, place: int) -> str:
        """The row at a place as it begins in its file; empty where the format has no lines."""
        ...


Origin = tuple[str, int | None]  # the file that a row stands in, and the line that it ends on


@dataclass
class Block:
    """Some rows.

    Attributes:
        texts: one per row; None where the row has a problem.
        problems: by the place of their row.
        sizes: about how many bytes each row takes.
        content: all columns.
        origins: where each row stands.
        share: how much of the input has been read by the end of the block, from 0 to 1.
    """

    texts: list[Text | None]
    problems: dict[int, Problem]
    sizes: list[int]
    content: Any
    origins: list[Origin]
    share: float = field(default=0.0)

    def part(self, start: int, stop: int) -> Block:
        """The rows from `start` to `stop`."""
        problems = {place - start: problem for place, problem in self.problems.items() if start <= place < stop}
        content, origins = self.content.part(start, stop), self.origins[start:stop]
        return Block(self.texts[start:stop], problems, self.sizes[start:stop], content, origins, self.share)

    def problem(self, place: int, reason: str) -> Problem:
        """The problem of a row that only the model has found."""
        return Problem.of(*self.origins[place], reason, self.content.beginning(place))

    @classmethod
    def join(cls, blocks: Sequence[Block]) -> Block:
        """The rows of some blocks, of which there is at least one, in order."""
        texts: list[Text | None] = []
        sizes: list[int] = []
        problems: dict[int, Problem] = {}
        for block in blocks:
            problems |= {place + len(texts): problem for place, problem in block.problems.items()}
            texts += block.texts
            sizes += block.sizes
        first, *others = (block.content for block in blocks)
        origins = [origin for block in blocks for origin in block.origins]
        return cls(texts, problems, sizes, first.joined(others) if others else first, origins, blocks[-1].share)


class Source(Protocol):
    """The rows of all input files.

    Attributes:
        names: the columns; of JSON lines those of the first object.
        rows: how many rows there are; None where only reading them tells.
    """

    names: list[str]
    rows: int | None

    def blocks(self, skip: int) -> Generator[Block, None, None]:
        """All rows after the first `skip`, in order.

        Raises:
            InputError: a file cannot be read any further.
        """
        ...
