"""The new columns beside those of the input: their names, their types, their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from torchless.errors import InputError

# "string", "float32", "int64" or "bool"; [type] is a list, {name: type} a struct, (type, n) a list of n values.
Type = str | list[Any] | dict[str, Any] | tuple[Any, int]


@dataclass(frozen=True)
class Column:
    """A new column.

    Attributes:
        name: with the prefix that the user has asked for.
        type: of its values, which may all be null.
    """

    name: str
    type: Type


def refuse_collisions(columns: Sequence[Column], present: Collection[str], where: str) -> None:
    """Refuse a new column that the input has too.

    Raises:
        InputError: there is one.
    """
    for column in columns:
        if column.name in present:
            raise InputError(
                f"{where} has a column {column.name} already. Name the new columns otherwise, for example with: "
                "--prefix predicted_"
            )


def refuse_repeated(names: Sequence[str], written: str) -> None:
    """Refuse columns of one name.

    Args:
        names: of all columns.
        written: a format that cannot hold them, or whose readers do not find them.

    Raises:
        InputError: two columns have one name.
    """
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"two columns are called {twice}, which {written} cannot hold. Write .csv or .tsv.")


def plain(value: Any) -> Any:
    """A value as JSON has it: numpy's arrays and numbers become Python's."""
    return value.tolist() if hasattr(value, "tolist") else value
