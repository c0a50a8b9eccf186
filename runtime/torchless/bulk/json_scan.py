"""What JSON lines hold, found by reading them once before: other formats need all columns and their types at first."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Any

from torchless.errors import InputError

from .rows import Block


def keys(blocks: Generator[Block, None, None]) -> list[str]:
    """Every key of every object, in the order in which they first appear."""
    found: dict[str, None] = {}
    with closing(blocks):
        for block in blocks:
            for record in block.content.records:
                found.update(dict.fromkeys(record.fields))
    return list(found)


def schema(blocks: Generator[Block, None, None], arrow: Any, name: str) -> Any:
    """The pyarrow.Schema that all objects fit.

    Raises:
        InputError: the values of a key have types that no Arrow type holds together.
    """
    types: dict[str, Any] = {}
    with closing(blocks):
        for block in blocks:
            columns: dict[str, list[Any]] = {}
            for record in block.content.records:
                for key, value in record.fields.items():
                    columns.setdefault(key, []).append(value)
            for key, values in columns.items():
                types[key] = _wider(arrow, types.get(key), values, key, name)
    return arrow.schema([arrow.field(key, arrow.string() if arrow.types.is_null(t) else t) for key, t in types.items()])


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
