"""Rows of CSV and TSV files, each cut down to the wanted columns."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence

from torchless.errors import InputError

from . import tsv
from .column_names import first_present
from .lines import lines_as_they_are

_LONGEST_FIELD = 2**31 - 1  # csv stops at 128 KiB unless told otherwise; a C long holds no more everywhere

Row = tuple[int, list[str]]  # the number of the line that it ends on, and its fields


def from_csv(file: Iterable[bytes], name: str, wanted: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Rows of a file with commas and quotes as RFC 4180 has them; line ends inside quotes stay as they are.

    Raises:
        InputError: a column is missing, or a line is not what it should be; the message says which.
    """
    return _wanted(_csv_rows(file, name), name, wanted)


def from_tsv(file: Iterable[bytes], name: str, wanted: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Rows of a file with tabs; `tsv.py` says which quotes are part of a text.

    Raises:
        InputError: a column is missing, or a line is not what it should be; the message says which.
    """
    return _wanted(tsv.rows(lines_as_they_are(file, name)), name, wanted)


def _csv_rows(file: Iterable[bytes], name: str) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(lines_as_they_are(file, name), strict=True)
    try:
        # A blank line is no row, as to csv.DictReader: an empty field is written with quotes.
        yield from ((reader.line_num, row) for row in reader if row or reader.line_num == 1)
    except csv.Error as error:
        raise InputError(f"{name}, line {reader.line_num}: {error}.") from error


def _wanted(rows: Iterator[Row], name: str, wanted: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    _, header = next(rows, (0, []))
    places = [header.index(first_present(names, header, name)) for names in wanted]
    for number, row in rows:
        if len(row) != len(header):
            raise InputError(f"{name}, line {number}: expected {len(header)} columns, got {len(row)}.")
        yield tuple(row[place] for place in places)
