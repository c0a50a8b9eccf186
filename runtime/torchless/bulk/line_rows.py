"""Rows of CSV, TSV, JSON lines, JSON and plain text. A row that is damaged is reported, and the next one is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

from torchless.errors import InputError
from torchless.inputs.column_names import first_present
from torchless.inputs.line_ends import refuse_lone_returns
from torchless.inputs.lines import LONGEST_BYTES
from torchless.inputs.text_files import TEXT_COLUMNS

from .byte_lines import MOST_BYTES, RecordedLines
from .line_formats import READERS, Found, Record
from .rows import Problem, Wanted

_PIECE = "text"  # the one column of plain text


@dataclass(frozen=True)
class LineRows:
    """The columns of some rows of text files.

    Attributes:
        kind: "csv", "tsv", "jsonl", "json" or "text".
        records: the rows.
    """

    kind: str
    records: list[Record]

    def part(self, start: int, stop: int) -> LineRows:
        """The rows from `start` to `stop`."""
        return LineRows(self.kind, self.records[start:stop])

    def joined(self, others: Sequence[LineRows]) -> LineRows:
        """These rows and then the others'."""
        return LineRows(self.kind, [*self.records, *(row for each in others for row in each.records)])

    def beginning(self, place: int) -> str:
        """The row at a place as it stands in its file."""
        return self.records[place].raw or ""


class LineReader:
    """One file.

    Attributes:
        names: its columns, of JSON the keys of the first object.
        mark: whether it begins with a byte order mark.
        end: how its first line ends.
    """

    def __init__(self, file: IO[bytes], name: str, kind: str) -> None:
        """Read as far as the columns are known.

        Raises:
            InputError: the first row, or the whole file where it is a JSON array, is not what it should be.
        """
        self._name = name
        self._kind = kind
        lines = RecordedLines(file, LONGEST_BYTES if kind == "json" else MOST_BYTES)  # one line may be an array
        self._found = READERS[kind](lines)
        self._first: list[Found] = []
        self.end = "\n"
        self.header = ""
        self.names = self._columns()
        self.mark = lines.mark

    def _columns(self) -> list[str]:
        if self._kind == "text":
            self._first += islice(self._found, 1)
            for found in self._first:
                refuse_lone_returns(found.content, self._name, self._kind)
            return [_PIECE]
        for found in self._found:
            if self._kind in ("csv", "tsv"):
                if found.wrong:
                    raise InputError(f"{self._name}, line {found.line}: {found.wrong}.")
                refuse_lone_returns(found.content, self._name, self._kind)
                self.header = found.record.raw or ""
                self.end = "\r\n" if found.content.endswith("\r\n") else "\n"
                return list(found.record.fields)
            self._first.append(found)
            if not found.wrong:
                return list(found.record.fields)
            if len(self._first) == 1 and self._kind == "json":
                break
            if len(self._first) == 1000:  # this is no file of JSON lines
                break
        if self._first:
            raise InputError(f"{self._name}, line {self._first[0].line}: {self._first[0].wrong}.")
        return []

    def rows(self, wanted: Wanted) -> Iterator[tuple[Record, Any, Problem | None, int]]:
        """Each row with its text, or with its problem, and the line that it ends on.

        Raises:
            InputError: a column is missing.
        """
        if self._kind == "text" and wanted.names() != [TEXT_COLUMNS]:
            raise InputError(f"{self._name} has no columns; expected a .csv, .tsv, .jsonl or .json file.")
        if self._kind in ("json", "jsonl") and not self._first:  # no object has said which columns there are
            return
        keys = [first_present(names, self.names, self._name) for names in wanted.names()]
        values = self._values(keys)
        for found in self.found():
            record, line, wrong, content = found
            if wrong is None:
                try:
                    yield record, wanted.text(values(record.fields)), None, line
                    continue
                except InputError as error:
                    wrong = str(error)
                    if wrong == "null" and self._kind in ("json", "jsonl"):
                        wrong = _absent(record.fields, keys)
            yield record, None, Problem.of(self._name, line, wrong, content or record.raw or ""), line

    def found(self) -> Iterator[Found]:
        """Each row, whatever its text is."""
        first, self._first = self._first, []
        yield from first
        width = len(self.names)
        tabular = self._kind in ("csv", "tsv")
        for found in self._found:
            fields = found.record.fields
            if tabular and len(fields) != width:
                wrong = found.wrong or f"expected {width} columns, got {len(fields)}"
                padded = [*fields, *[""] * width][:width]
                yield Found(Record(None, padded), found.line, wrong, found.record.raw or found.content)
            else:
                yield found

    def _values(self, keys: Sequence[str]) -> Callable[[Any], list[Any]]:
        if self._kind in ("json", "jsonl"):
            return lambda item: [item.get(key) for key in keys]
        places = [self.names.index(key) for key in keys]
        return lambda fields: [fields[place] for place in places]


def _absent(item: dict[str, Any], keys: Sequence[str]) -> str:
    missing = [key for key in keys if key not in item]
    return f"no key {missing[0]}" if missing else "null"
