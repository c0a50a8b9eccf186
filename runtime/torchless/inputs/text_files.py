"""Rows of text files: plain lines, CSV, TSV and JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torchless.errors import InputError

from .arguments import refuse_lone_surrogate

TEXT_COLUMNS = ("text", "sentence")  # usual names in data sets, where no column is named
LABEL_COLUMNS = ("label",)
_LONGEST_FIELD = 2**31 - 1  # csv stops at 128 KiB unless told otherwise; a C long holds no more everywhere


def columns(file: Iterable[bytes], name: str, *wanted: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Rows of a file, each cut down to the wanted columns.

    Args:
        file: its lines.
        name: the file's name, for its kind (.csv, .tsv, .jsonl, else plain lines) and for messages.
        wanted: the columns; of each the names it may go by, the first that is there counts.

    Raises:
        InputError: a column is missing, or a line is not what it should be; the message says which.
    """
    kind = Path(name).suffix.lower()
    if kind in (".csv", ".tsv"):
        return _from_table(file, name, wanted, "," if kind == ".csv" else "\t")
    if kind in (".jsonl", ".ndjson"):
        return _from_json_lines(file, name, wanted)
    if wanted != (TEXT_COLUMNS,):
        raise InputError(f"{name} has no columns; expected a .csv, .tsv or .jsonl file.")
    return ((line,) for line in lines(file, name))


def lines(file: Iterable[bytes], name: str) -> Iterator[str]:
    """The lines of a UTF-8 file, without their ends.

    Raises:
        InputError: the file cannot be read, or a line is not UTF-8; the message says which.
    """
    for number, line in enumerate(_read(file, name), 1):
        try:
            text = line.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name}, line {number}: not UTF-8 (byte 0x{line[error.start]:02x} at offset {error.start}). "
                "Convert it first, for example with: iconv -t UTF-8"
            ) from None
        yield text.removeprefix("\ufeff") if number == 1 else text  # spreadsheets begin UTF-8 files with a mark


def _read(file: Iterable[bytes], name: str) -> Iterator[bytes]:
    try:
        yield from file
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}.") from error


def _from_table(
    file: Iterable[bytes], name: str, wanted: Sequence[Sequence[str]], delimiter: str
) -> Iterator[tuple[str, ...]]:
    csv.field_size_limit(_LONGEST_FIELD)
    # TSV files of this field (GLUE) hold bare quotes; RFC 4180 gives them a meaning in CSV only.
    rows = csv.reader(
        (line + "\n" for line in lines(file, name)),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE,
        strict=True,
    )
    try:
        header = next(rows, [])
        places = [header.index(_first_present(names, header, name)) for names in wanted]
        for row in rows:
            if not row:  # a blank line, which csv.DictReader skips too
                continue
            if len(row) != len(header):
                raise InputError(f"{name}, line {rows.line_num}: expected {len(header)} columns, got {len(row)}.")
            yield tuple(row[place] for place in places)
    except csv.Error as error:
        raise InputError(f"{name}, line {rows.line_num}: {error}.") from error


def _from_json_lines(file: Iterable[bytes], name: str, wanted: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    for number, line in enumerate(lines(file, name), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{name}, line {number}: not JSON ({error}).") from error
        if not isinstance(row, dict):
            raise InputError(f"{name}, line {number}: expected an object, got {type(row).__name__}.")
        yield tuple(_value(row, names, f"{name}, line {number}") for names in wanted)


def _value(row: Mapping[str, Any], names: Sequence[str], where: str) -> str:
    """A string, or a label's number as one."""
    key = _first_present(names, row, where)
    value = row[key]
    if isinstance(value, int) and key in LABEL_COLUMNS:
        return str(value)
    if not isinstance(value, str):
        raise InputError(f"{where}, {key}: expected a string, got {type(value).__name__}.")
    refuse_lone_surrogate(value, where)  # JSON's escapes can write one
    return value


def _first_present(names: Sequence[str], present: Collection[str], where: str) -> str:
    for name in names:
        if name in present:
            return name
    raise InputError(f"{where}: expected a column {' or '.join(names)}, got {', '.join(present) or 'none'}.")
