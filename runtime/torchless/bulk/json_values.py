"""Values of Arrow columns as JSON and as the cells of CSV have them."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from .columns import plain


def as_json(value: Any) -> str:
    """A value as JSON text on one line; numbers that JSON does not know (NaN, infinity) are null."""
    return json.dumps(json_value(value), ensure_ascii=False)


def json_value(value: Any) -> Any:
    """A value as JSON has it: bytes in base64, decimals and times as strings."""
    value = plain(value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(name): json_value(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(each) for each in value]
    return str(value)


def cell(value: Any) -> str:
    """A value as a field of a CSV or TSV file; null is an empty one."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else as_json(value)


def readable(arrow: Any, column: Any) -> Any:
    """A column with its times and decimals as strings, at any depth, and its dictionaries decoded.

    Python's own times have no nanoseconds.
    """
    wanted = _readable_type(arrow, column.type)
    return column if wanted == column.type else column.cast(wanted)


def values(column: Any) -> list[Any]:
    """A column's values as Python's; what is not UTF-8 in a string is U+FFFD."""
    try:
        found: list[Any] = column.to_pylist()
    except ValueError:  # not UTF-8, or nanoseconds inside a type that `readable` leaves as it is
        found = [_value(scalar) for scalar in column]
    return found


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except ValueError:
        if hasattr(scalar, "as_buffer"):
            return scalar.as_buffer().to_pybytes().decode(errors="replace")
        if hasattr(scalar, "items"):
            return {name: _value(each) for name, each in scalar.items()}
        if isinstance(getattr(scalar, "value", None), int):  # a time
            return scalar.cast("string").as_py()
        return _value(scalar.value) if hasattr(scalar, "value") else [_value(each) for each in scalar.values]


def _readable_type(arrow: Any, type_: Any) -> Any:
    types = arrow.types
    if types.is_dictionary(type_):
        return _readable_type(arrow, type_.value_type)
    if types.is_timestamp(type_) or types.is_time(type_) or types.is_date(type_) or types.is_decimal(type_):
        return arrow.string()
    if types.is_duration(type_):
        return arrow.int64()
    if types.is_map(type_):
        return arrow.map_(_renamed(arrow, type_.key_field), _renamed(arrow, type_.item_field), type_.keys_sorted)
    if types.is_list(type_):
        return arrow.list_(_renamed(arrow, type_.value_field))
    if types.is_large_list(type_):
        return arrow.large_list(_renamed(arrow, type_.value_field))
    if types.is_fixed_size_list(type_):
        return arrow.list_(_renamed(arrow, type_.value_field), type_.list_size)
    if types.is_struct(type_):
        return arrow.struct([_renamed(arrow, type_.field(place)) for place in range(type_.num_fields)])
    return type_


def _renamed(arrow: Any, field: Any) -> Any:
    return field.with_type(_readable_type(arrow, field.type))
