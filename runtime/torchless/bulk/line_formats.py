"""How each format of text files is read: CSV, TSV, JSON lines, JSON and plain text. Damaged rows end no reading."""

from __future__ import annotations

import csv
import json
import reprlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from torchless.inputs import tsv
from torchless.inputs.json_depth import is_deeper
from torchless.inputs.lines import LONGEST_BYTES

from .byte_lines import LEFT_OUT, MOST_BYTES, RecordedLines

_LONGEST_FIELD = 2**31 - 1  # csv stops at 128 KiB unless told otherwise
_END = "end of data"  # what csv says of a quote that is open there
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


def _from_csv(lines: RecordedLines) -> Iterator[Found]:
    csv.field_size_limit(min(_LONGEST_FIELD, sys.maxsize))
    reader = csv.reader(lines, strict=True)
    width = 0  # of the header
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if lines.full and not _is_row(lines.second, width) and lines.skip(_is_last):
                fields, said = [LEFT_OUT], f"a row of more than {lines.most_bytes:,} bytes"
            else:
                lines.put_back()  # the record is given up, and all but its first line is read again
                fields, said = [], _said(error)
            raw, wrong = lines.take(lines.number)
            yield Found(Record(None, fields), lines.number, wrong or said, raw)
            continue
        raw, wrong = lines.take(lines.number)
        width = width or len(fields)
        if fields or wrong:  # a blank line is no row, as to csv.DictReader
            yield Found(Record(tsv.without_end(raw), fields), lines.number, wrong, raw)


def _is_row(line: str, width: int) -> bool:
    """Whether a line behind an open quote looks like a row itself: then nothing closes the quote."""
    try:
        return width > 1 and [len(row) for row in csv.reader([line], strict=True)] == [width]
    except csv.Error:
        return False


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


READERS: dict[str, Callable[[RecordedLines], Iterator[Found]]] = {
    "csv": _from_csv,
    "tsv": _from_tsv,
    "jsonl": _from_json_lines,
    "json": _from_json,
    "text": _from_text,
}
