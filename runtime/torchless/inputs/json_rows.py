"""Rows of JSON files, an object each: one per line, or all in an array."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from torchless.errors import InputError

from .arguments import refuse_lone_surrogate
from .column_names import LABEL_COLUMNS, first_present
from .lines import lines_as_they_are

_Numbered = Iterable[tuple[int, str]]  # lines with their numbers


def from_lines(file: Iterable[bytes], name: str, wanted: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """The wanted keys of a file with one object per line; blank lines are skipped.

    Raises:
        InputError: a key is missing, or a line is not what it should be; the message says which.
    """
    return _from_lines(enumerate(lines_as_they_are(file, name), 1), name, wanted)


def from_json(file: Iterable[bytes], name: str, wanted: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """The wanted keys of a file that is an array of objects, which is read whole, or has one object per line.

    Raises:
        InputError: a key is missing, or a line or an item is not what it should be; the message says which.
    """
    numbered = enumerate(lines_as_they_are(file, name), 1)
    first = next(((number, line) for number, line in numbered if line.strip()), None)
    if first is None:
        return
    if not first[1].lstrip().startswith("["):
        yield from _from_lines(chain([first], numbered), name, wanted, "an array of objects, or one object per line")
        return
    before = "\n" * (first[0] - 1)  # so that lines are counted in the file
    for number, item in enumerate(_parsed("".join([before, first[1], *(line for _, line in numbered)]), name), 1):
        yield _values(item, wanted, f"{name}, item {number}")


def _from_lines(
    numbered: _Numbered, name: str, wanted: Sequence[Sequence[str]], expected: str | None = None
) -> Iterator[tuple[str, ...]]:
    for number, line in numbered:
        if line.strip():
            yield _values(_parsed(line, name, number, expected), wanted, f"{name}, line {number}")


def _parsed(text: str, name: str, number: int | None = None, expected: str | None = None) -> Any:
    """JSON's value; the number is that of the text's line in the file."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        number = number or getattr(error, "lineno", None)  # what is nested too deep has none
        where = f"{name}, line {number}" if number else name
        raise InputError(f"{where}: not JSON ({error}).{f' Expected {expected}.' if expected else ''}") from error


def _values(item: Any, wanted: Sequence[Sequence[str]], where: str) -> tuple[str, ...]:
    if not isinstance(item, dict):
        raise InputError(f"{where}: expected an object, got {type(item).__name__}.")
    return tuple(_value(item, names, where) for names in wanted)


def _value(item: Mapping[str, Any], names: Sequence[str], where: str) -> str:
    """A string, or a label's number as one."""
    key = first_present(names, item, where)
    value = item[key]
    if isinstance(value, int) and key in LABEL_COLUMNS:
        return str(value)
    if not isinstance(value, str):
        raise InputError(f"{where}, {key}: expected a string, got {type(value).__name__}.")
    refuse_lone_surrogate(value, where)  # JSON's escapes can write one
    return value
