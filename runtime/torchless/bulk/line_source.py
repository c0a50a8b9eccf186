"""The rows of text files, one file after another, in blocks."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from torchless.errors import InputError

from .input_files import InputFile
from .line_formats import Found, Record
from .line_rows import LineReader, LineRows
from .rows import Block, Problem, Wanted

_BLOCK_ROWS, _BLOCK_CHARACTERS = 1024, 1 << 19


class LineSource:
    """The rows of CSV, TSV, JSON lines, JSON and text files.

    Attributes:
        kind: their format.
        names: their columns.
        rows: None: only reading them tells.
        header: the first line of CSV and TSV files, as it stands there.
        end: how the first line ends.
        mark: whether the first file begins with a byte order mark.
    """

    rows: int | None = None

    def __init__(self, files: Sequence[InputFile], wanted: Wanted) -> None:
        """Look at the columns of every file.

        Raises:
            InputError: a file cannot be read, a column is missing, or two files have different columns.
        """
        self._files = files
        self._wanted = wanted
        self.kind = files[0].format.kind
        for place, file in enumerate(files):
            with file.opened() as (plain, _):
                reader = LineReader(plain, file.name, self.kind)
                next(reader.rows(wanted), None)
            if place == 0:
                self.names, self.header, self.end, self.mark = reader.names, reader.header, reader.end, reader.mark
            elif self.kind in ("csv", "tsv") and reader.names != self.names:
                first = files[0].name
                raise InputError(
                    f"{file.name}: expected the columns of {first} ({', '.join(self.names)}), "
                    f"got {', '.join(reader.names)}."
                )

    def blocks(self, skip: int) -> Generator[Block, None, None]:
        """All rows after the first `skip`, in blocks.

        Raises:
            InputError: a file cannot be read any further.
        """
        whole = max(1, sum(file.size for file in self._files))
        before = 0
        for file in self._files:
            with file.opened() as (plain, raw):
                reader = LineReader(plain, file.name, self.kind)
                rows = reader.rows(self._wanted)
                while skip and next(rows, None) is not None:
                    skip -= 1
                for block in _blocks(rows, self.kind, file.name):
                    block.share = min(1.0, (before + raw.tell()) / whole)
                    yield block
            before += file.size

    def found(self) -> Generator[tuple[str, Found], None, None]:
        """Each row, whatever its text is, with its place for a message.

        Raises:
            InputError: a file cannot be read any further.
        """
        for file in self._files:
            with file.opened() as (plain, _):
                for row, found in enumerate(LineReader(plain, file.name, self.kind).found(), 1):
                    yield f"{file.name}, {f'row {row}' if self.kind == 'json' else f'line {found.line}'}", found


def _blocks(rows: Iterator[tuple[Record, Any, Problem | None, int]], kind: str, name: str) -> Iterator[Block]:
    block, held = _empty(kind), 0
    for record, text, problem, line in rows:
        if problem is not None:
            block.problems[len(block.texts)] = problem
        size = len(record.raw) if record.raw is not None else 1000
        held += size
        block.content.records.append(record)
        block.texts.append(text)
        block.sizes.append(size)
        block.origins.append((name, line))
        if len(block.texts) == _BLOCK_ROWS or held > _BLOCK_CHARACTERS:
            yield block
            block, held = _empty(kind), 0
    if block.texts:
        yield block


def _empty(kind: str) -> Block:
    return Block([], {}, [], LineRows(kind, []), [])
