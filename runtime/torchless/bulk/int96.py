"""The unit in which the INT96 timestamps of Parquet files (Spark, Hive, Impala) are read without changing any.

They count nanoseconds from one end of time to the other. Arrow's nanoseconds reach from 1677 to 2262 and wrap around
beyond, its microseconds reach everywhere: years such as 0001 and 9999 stand for "always" and "never" in many tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torchless.errors import InputError

FINE, FAR = "finer than microseconds", "beyond 1677 to 2262"
_ROWS = 1 << 16
_FARTHEST = (2**63 - 1) // 1000  # microseconds, on both sides of 1970


def columns_of(file: Any) -> list[str]:
    """The columns of a pyarrow ParquetFile that hold such timestamps, at any depth."""
    leaves = map(file.schema.column, range(len(file.schema)))
    paths = [leaf.path for leaf in leaves if leaf.physical_type == "INT96"]
    return [
        name for name in file.schema_arrow.names if any(path == name or path.startswith(f"{name}.") for path in paths)
    ]


def kinds(arrow: Any, file: Any, names: list[str]) -> set[str]:
    """Which of FINE and FAR the INT96 timestamps of a file are.

    Args:
        arrow: pyarrow.
        file: an open Parquet file.
        names: the columns that hold them.
    """
    readers = [arrow.parquet.ParquetFile(file, coerce_int96_timestamp_unit=unit) for unit in ("ns", "us")]
    pairs = zip(*(each.iter_batches(_ROWS, columns=names, use_threads=False) for each in readers), strict=True)
    found = set()
    for batches in pairs:
        for column in zip(*(batch.columns for batch in batches), strict=True):
            for nanoseconds, microseconds in zip(*(_counts(arrow, each) for each in column), strict=True):
                if (nanoseconds != microseconds * 1000).any():  # both wrap around
                    found.add(FINE)
                if (abs(microseconds) > _FARTHEST).any():
                    found.add(FAR)
    return found


def _counts(arrow: Any, array: Any) -> Iterator[Any]:
    """The timestamps of a column as integers, at any depth."""
    types = arrow.types
    if types.is_timestamp(array.type):
        yield array.drop_null().cast(arrow.int64()).to_numpy()
    elif types.is_map(array.type):
        yield from (*_counts(arrow, array.keys), *_counts(arrow, array.items))
    elif types.is_struct(array.type):
        for each in array.flatten():
            yield from _counts(arrow, each)
    elif types.is_list(array.type):
        yield from _counts(arrow, array.flatten())


def unit(found: set[str], name: str) -> str:
    """The unit that holds all timestamps: microseconds, unless one is finer.

    Raises:
        InputError: neither holds all of them.
    """
    if found == {FINE, FAR}:
        raise InputError(
            f"{name}: expected INT96 timestamps in microseconds or from 1677 to 2262, got some that are {FINE} and "
            f"some {FAR}, which no type of Arrow holds together. Round them first."
        )
    return "ns" if FINE in found else "us"
