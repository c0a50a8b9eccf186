"""What JSON lines hold, found by reading them once before.

Any object may have a key that is a new column's, and other formats need all columns and their types at first.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence, Sized
from contextlib import closing
from typing import Any

from torchless.errors import InputError

from .columns import Column, refuse_collisions
from .line_formats import Found, Record

_MOST_KEYS = 10_000
_ROWS, _CHARACTERS = 1024, 1 << 19  # whose types are found at once
Rows = Generator[tuple[str, Found], None, None]  # with their places


def check(rows: Rows, columns: Sequence[Column]) -> None:
    """Look for the names of new columns in every object.

    Raises:
        InputError: an object has a key with the name of a new column.
    """
    for _ in _objects(rows, columns):
        pass


def keys(rows: Rows, columns: Sequence[Column], name: str) -> list[str]:
    """Every key of every object, in the order in which they first appear.

    Raises:
        InputError: an object has a key with the name of a new column, or they have too many keys for a table.
    """
    found: dict[str, None] = {}
    for record in _objects(rows, columns):
        found.update(dict.fromkeys(record.fields))
        _refuse_too_many(found, name)
    return list(found)


def _refuse_too_many(found: Sized, name: str) -> None:
    """Refuse keys that are rather values, such as identifiers: each would be a column."""
    if len(found) > _MOST_KEYS:
        raise InputError(
            f"{name}: the objects have more than {_MOST_KEYS:,} different keys, and a table has a column for each. "
            "Write .jsonl."
        )


def schema(rows: Rows, columns: Sequence[Column], arrow: Any, name: str) -> Any:
    """The pyarrow.Schema that all objects fit.

    Raises:
        InputError: the values of a key have types that no Arrow type holds together, an object has a key with the
            name of a new column, or they have too many keys for a table.
    """
    types: dict[str, Any] = {}
    for values in _values(rows, columns):
        for key, each in values.items():
            types[key] = _wider(arrow, types.get(key), each, key, name)
        _refuse_too_many(types, name)
    return arrow.schema([arrow.field(key, arrow.string() if arrow.types.is_null(t) else t) for key, t in types.items()])


def _values(rows: Rows, columns: Sequence[Column]) -> Iterator[dict[str, list[Any]]]:
    """The values of each key, of some objects at once."""
    held: dict[str, list[Any]] = {}
    count = size = 0
    for record in _objects(rows, columns):
        for key, value in record.fields.items():
            held.setdefault(key, []).append(value)
        size += len(record.raw or "")
        count += 1
        if count == _ROWS or size > _CHARACTERS:
            yield held
            held, count, size = {}, 0, 0
    yield held


def _objects(rows: Rows, columns: Sequence[Column]) -> Iterator[Record]:
    with closing(rows):
        for where, (record, *_) in rows:
            refuse_collisions(columns, record.fields, where)
            yield record


def _wider(arrow: Any, known: Any, values: list[Any], key: str, name: str) -> Any:
    """A type that holds these values and those of before."""
    try:
        found = arrow.array(values).type  # infer_type overlooks some mixtures
        if known is None or known == found:
            return found
        fields = [arrow.schema([arrow.field("", each)]) for each in (known, found)]
        return arrow.unify_schemas(fields, promote_options="permissive").field(0).type
    except (arrow.ArrowException, OverflowError, UnicodeEncodeError) as error:
        line = str(error).splitlines()[0]
        raise InputError(
            f"{name}: the values of {key} have no common type ({line}). Write .jsonl, which keeps every value as it is."
        ) from error
