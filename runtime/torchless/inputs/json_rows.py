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
    return (_values(item, wanted, where) for where, item in objects_of_lines(file, name))


def from_json(file: Iterable[bytes], name: str, wanted: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """The wanted keys of a file that is an array of objects, which is read whole, or has one object per line.

    Raises:
        InputError: a key is missing, or a line or an item is not what it should be; the message says which.
    """
    return (_values(item, wanted, where) for where, item in objects_of_json(file, name))


def objects_of_lines(file: Iterable[bytes], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file with one per line, and what a message calls each.

    Raises:
        InputError: a line is no JSON, or no object; the message says which.
    """
    return _of_lines(enumerate(lines_as_they_are(file, name), 1), name)


def objects_of_json(file: Iterable[bytes], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same of a file that is an array of objects, which is read whole, or has one object per line."""
    numbered = enumerate(lines_as_they_are(file, name), 1)
    first = next(((number, line) for number, line in numbered if line.strip()), None)
    if first is None:
        return
    if not first[1].lstrip().startswith("["):
        yield from _of_lines(chain([first], numbered), name, "an array of objects, or one object per line")
        return
    before = "\n" * (first[0] - 1)  # so that lines are counted in the file
    for number, item in enumerate(_parsed("".join([before, first[1], *(line for _, line in numbered)]), name), 1):
        yield _object(item, f"{name}, item {number}")


def _of_lines(numbered: _Numbered, name: str, expected: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in numbered:
        if line.strip():
            yield _object(_parsed(line, name, number, expected), f"{name}, line {number}")


def _object(item: Any, where: str) -> tuple[str, dict[str, Any]]:
    if not isinstance(item, dict):
        raise InputError(f"{where}: expected an object, got {type(item).__name__}.")
    return where, item


def _parsed(text: str, name: str, number: int | None = None, expected: str | None = None) -> Any:
    """JSON's value; the number is that of the text's line in the file."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        number = number or getattr(error, "lineno", None)  # what is nested too deep has none
        where = f"{name}, line {number}" if number else name
        raise InputError(f"{where}: not JSON ({error}).{f' Expected {expected}.' if expected else ''}") from error


def _values(item: Mapping[str, Any], wanted: Sequence[Sequence[str]], where: str) -> tuple[str, ...]:
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
