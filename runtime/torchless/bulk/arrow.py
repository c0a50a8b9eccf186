"""pyarrow, which only files of its own formats need, and the types of new columns in its terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torchless.errors import needs_extra

from .columns import Column, Type


def pyarrow(caller: str) -> Any:
    """The package, with its submodules for Parquet and compute.

    Raises:
        MissingExtraError: it is not installed; `caller` is what needs it.
    """
    with needs_extra(caller, "bulk", "pyarrow"):
        import pyarrow as arrow
        import pyarrow.compute
        import pyarrow.parquet
    return arrow


def arrow_type(arrow: Any, type_: Type) -> Any:
    """A column's type as pyarrow has it."""
    if isinstance(type_, str):
        return {"string": arrow.string, "float32": arrow.float32, "int64": arrow.int64, "bool": arrow.bool_}[type_]()
    if isinstance(type_, dict):
        return arrow.struct([arrow.field(name, arrow_type(arrow, each)) for name, each in type_.items()])
    if isinstance(type_, tuple):
        return arrow.list_(arrow_type(arrow, type_[0]), type_[1])
    return arrow.list_(arrow_type(arrow, type_[0]))


def arrow_field(arrow: Any, column: Column) -> Any:
    """A new column as a field of a schema."""
    return arrow.field(column.name, arrow_type(arrow, column.type))


def arrow_array(arrow: Any, values: Sequence[Any], column: Column) -> Any:
    """The values of a new column, null where they are None."""
    type_ = arrow_type(arrow, column.type)
    if not isinstance(column.type, tuple):
        return arrow.array(values, type_)
    import numpy as np

    size = column.type[1]
    blank = np.zeros(size, np.float32)
    rows = [blank if value is None else value for value in values]
    flat = np.concatenate(rows) if len(rows) else np.zeros(0, np.float32)
    missing = arrow.array([value is None for value in values], arrow.bool_())
    return arrow.FixedSizeListArray.from_arrays(arrow.array(flat, arrow.float32()), type=type_, mask=missing)
