"""Rows of CSV, TSV, JSON lines, JSON and plain text. A row that is damaged is reported, and the next one is read."""

from __future__ import annotations

import csv
import json
import reprlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, NamedTuple

from torchless.errors import InputError
from torchless.inputs import tsv
from torchless.inputs.column_names import first_present
from torchless.inputs.json_depth import is_deeper
from torchless.inputs.line_ends import refuse_lone_returns
from torchless.inputs.lines import LONGEST_BYTES
from torchless.inputs.text_files import TEXT_COLUMNS

from .byte_lines import LEFT_OUT, MOST_BYTES, RecordedLines
from .rows import Problem, Wanted

_LONGEST_FIELD = 2**31 - 1  # csv stops at 128 KiB unless told otherwise
_END = "end of data"  # what csv says of a quote that is open there
_PIECE = "text"  # the one column of plain text
_MOST_LEVELS = 60  # of JSON: Arrow writes 64, and what writes the rest goes down into it
_TOO_DEEP = f"more than {_MOST_LEVELS} objects and arrays inside one another"


class Record(NamedTuple):
    """One row.

    Attributes:
        raw: the row as it stands in its file, without its line end; None where it cannot be kept as it is.
        fields: its values, in the order of the columns; of JSON the object.
    """

    raw: str | None
    fields: Any


class Found(NamedTuple):
    """What a reader found: a row, the line it ends on, and what is wrong with it."""

    record: Record
    line: int
    wrong: str | None
    content: str = ""  # of what is wrong


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
        self._found = _READERS[kind](lines)
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

    def rows(self, wanted: Wanted) -> Iterator[tuple[Record, Any, Problem | None]]:
        """Each row with its text, or with its problem.

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
                    yield record, wanted.text(values(record.fields)), None
                    continue
                except InputError as error:
                    wrong = str(error)
                    if wrong == "null" and self._kind in ("json", "jsonl"):
                        wrong = _absent(record.fields, keys)
            yield record, None, Problem.of(self._name, line, wrong, content or record.raw or "")

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


def _from_csv(lines: RecordedLines) -> Iterator[Found]:
    csv.field_size_limit(min(_LONGEST_FIELD, sys.maxsize))
    reader = csv.reader(lines, strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if lines.full and lines.skip(_is_last):
                raw, _ = lines.take(lines.number)
                wrong = f"a row of more than {lines.most_bytes:,} bytes"
                yield Found(Record(None, [LEFT_OUT]), lines.number, wrong, raw)
                continue
            lines.put_back()  # the record is given up, and all but its first line is read again
            raw, wrong = lines.take(lines.number)
            yield Found(Record(None, []), lines.number, wrong or _said(error), raw)
            continue
        raw, wrong = lines.take(lines.number)
        if fields or wrong:  # a blank line is no row, as to csv.DictReader
            yield Found(Record(tsv.without_end(raw), fields), lines.number, wrong, raw)


def _is_last(line: str) -> bool | None:
    """Whether a line ends a record that it begins inside quotes; None where csv would not read it so."""
    try:
        list(csv.reader(['"' + line], strict=True))
    except csv.Error as error:
        return False if _END in str(error) else None
    return True


def _said(error: csv.Error) -> str:
    return "a quote that nothing closes" if _END in str(error) else f"not CSV ({error})"


def _from_tsv(lines: RecordedLines) -> Iterator[Found]:
    for number, fields in tsv.rows(lines):
        raw, wrong = lines.take(number)
        if "\n" in raw[:-1]:  # blank lines before a row are no part of it
            raw = raw.lstrip("\r\n")
        yield Found(Record(tsv.without_end(raw), fields), number, wrong, raw)


def _from_text(lines: RecordedLines) -> Iterator[Found]:
    for _ in lines:
        raw, wrong = lines.take(lines.number)
        text = raw.rstrip("\r\n")
        yield Found(Record(text, [text]), lines.number, wrong, raw)


def _from_json_lines(lines: RecordedLines) -> Iterator[Found]:
    for _ in lines:
        raw, wrong = lines.take(lines.number)
        if wrong or raw.strip():
            yield _object(raw.strip(), lines.number, wrong)


def _object(raw: str, line: int, wrong: str | None) -> Found:
    if wrong is None:
        try:
            item = json.loads(raw)
        except (ValueError, RecursionError) as error:
            wrong = f"not JSON ({error})"
        else:
            wrong = _wrong(item, may_be_deep=raw.count("[") + raw.count("{") > _MOST_LEVELS)
            if wrong is None:
                return Found(Record(raw, item), line, None)
    return Found(Record(None, {}), line, wrong, raw)


def _from_json(lines: RecordedLines) -> Iterator[Found]:
    """An array of objects, which is read whole, or one object per line."""
    first: list[Found] = []
    whole: list[str] = []
    size = 0
    for line in lines:
        raw, wrong = lines.take(lines.number)
        size += len(raw)
        if size > LONGEST_BYTES:
            wrong = f"an array of more than {LONGEST_BYTES:,} bytes"
        if not whole and raw.strip() and not raw.lstrip().startswith("["):
            first.append(_object(raw.strip(), lines.number, wrong))
            lines.most_bytes = MOST_BYTES
            break
        if wrong:
            yield Found(Record(None, {}), lines.number, wrong, raw)
            return
        whole.append(line)
    yield from first
    if first:
        yield from _from_json_lines(lines)
    elif "".join(whole).strip():
        yield from _items("".join(whole))


def _items(text: str) -> Iterator[Found]:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        expected = "Expected an array of objects, or one object per line"
        yield Found(Record(None, {}), line, f"not JSON ({error}). {expected}", text)
        return
    for number, item in enumerate(items, 1):
        wrong = _wrong(item, may_be_deep=True)
        if wrong is None:
            yield Found(Record(json.dumps(item, ensure_ascii=False), item), number, None)
        else:
            yield Found(Record(None, {}), number, f"item {number}: {wrong}", reprlib.repr(item))


def _wrong(item: Any, *, may_be_deep: bool) -> str | None:
    """What is wrong with a value of JSON, if it is no row."""
    if not isinstance(item, dict):
        return f"expected an object, got {type(item).__name__}"
    return _TOO_DEEP if may_be_deep and is_deeper(item, _MOST_LEVELS) else None


_READERS: dict[str, Callable[[RecordedLines], Iterator[Found]]] = {
    "csv": _from_csv,
    "tsv": _from_tsv,
    "jsonl": _from_json_lines,
    "json": _from_json,
    "text": _from_text,
}
