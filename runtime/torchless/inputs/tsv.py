"""Rows of TSV files, of which there are two kinds: with quotes as csv and pandas write them, and without any.

In files of the second kind (GLUE, STS-B) a quote is a character like others, and often a lone one begins a field. Both
kinds are read by one rule: a field is taken out of its quotes if it begins and ends with one and every quote between
is doubled; else it is taken as it is. Quoted fields may hold tabs and line ends: they are looked for only where a line
does not have as many fields as the header.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from itertools import count

_INSIDE = r'"([^"]*+(?:""[^"]*+)*+)'
_QUOTED = re.compile(_INSIDE + r'"(?=\t|\Z)')
_OPEN = re.compile(_INSIDE + r"\Z")  # a quote that nothing closes


def rows(lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """The number of the line that each row ends on, and the row's fields; the first row is the header.

    A blank line is an empty field of a file with one column, and is no row of a file with several. In a file with one
    column every line is a row: line ends inside quotes cannot be told from the end of a row.

    Args:
        lines: each with its end.
    """
    source = _Lines(lines)
    columns = None
    for line in source:
        fields = without_end(line).split("\t")
        if columns and columns > 1 and fields == [""]:
            continue
        if columns is not None and (len(fields) != columns or _goes_on(line, source, columns)):
            record, more = _record(line, source)
            quoted, unclosed = _split(without_end(record))
            if len(quoted) == columns and not unclosed:
                source.skip(more)
                yield source.number, quoted
                continue
        fields = [_taken_out(field) for field in fields]
        columns = columns or len(fields)
        yield source.number, fields


class _Lines:
    """Lines that can be looked at before they are taken."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.number = 0
        self._lines = lines
        self._ahead: deque[str] = deque()

    def __iter__(self) -> Iterator[str]:
        while (line := self.ahead(0)) is not None:
            self.skip(1)
            yield line

    def ahead(self, place: int) -> str | None:
        while len(self._ahead) <= place:
            following = next(self._lines, None)
            if following is None:
                return None
            self._ahead.append(following)
        return self._ahead[place]

    def skip(self, lines: int) -> None:
        self.number += lines
        for _ in range(lines):
            self._ahead.popleft()


def _goes_on(line: str, source: _Lines, columns: int) -> bool:
    """Whether a line that looks complete has an open quote, and lines follow that are no rows themselves."""
    if columns == 1 or '"' not in line or not _split(without_end(line))[1]:
        return False
    for place in count():
        following = source.ahead(place)
        if following is None or without_end(following):
            return following is not None and following.count("\t") != columns - 1
    return False


def _record(line: str, source: _Lines) -> tuple[str, int]:
    """The line and those that an open quote joins to it, and how many those are."""
    parts = [line]
    if _split(without_end(line))[1]:
        while (following := source.ahead(len(parts) - 1)) is not None:
            parts.append(following)
            if following.count('"') % 2:  # doubled quotes and a field's own come in twos: the open one is closed
                break
    return "".join(parts), len(parts) - 1


def _split(record: str) -> tuple[list[str], bool]:
    """Fields, tabs inside quotes kept, and whether a quote is not closed: at the end, or where a line ends."""
    fields: list[str] = []
    place = 0
    while place <= len(record):
        quoted = _QUOTED.match(record, place)
        end = quoted.end() if quoted else record.find("\t", place)
        end = len(record) if end < 0 else end
        if _OPEN.match(record, place) or (not quoted and "\n" in record[place:end]):
            return [*fields, record[place:]], True
        fields.append(_taken_out(record[place:end]))
        place = end + 1
    return fields, False


def _taken_out(field: str) -> str:
    quoted = field.startswith('"') and _QUOTED.fullmatch(field)
    return quoted[1].replace('""', '"') if quoted else field


def without_end(line: str) -> str:
    """A line without the line feed, or the carriage return and line feed, that ends it."""
    return line.removesuffix("\n").removesuffix("\r")
