"""Columns with dictionaries: their values are held once for all rows, and chunks keep places among them alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_WIDER = {"int8": "int16", "int16": "int32", "uint8": "uint16", "uint16": "uint32"}


def places_of(arrow: Any, schema: Any) -> list[int]:
    """Which columns have dictionaries."""
    return [place for place, field in enumerate(schema) if arrow.types.is_dictionary(field.type)]


def bytes_of(arrow: Any, columns: Iterable[Any]) -> int:
    """About how many bytes the rows take; `nbytes` counts a whole dictionary, however few rows there are."""
    size = 0
    for column in columns:
        for chunk in getattr(column, "chunks", [column]):
            size += chunk.nbytes
            if arrow.types.is_dictionary(chunk.type):
                whole = chunk.dictionary.nbytes
                size += len(chunk) * whole // max(1, len(chunk.dictionary)) - whole
    return size


def joined(arrow: Any, known: Any, values: Any) -> Any:
    """The values of two dictionaries, each once: those of the first, then those that only the second has.

    Args:
        arrow: pyarrow.
        known: the first, without repetitions; None where there is none.
        values: the second.
    """
    if known is None:
        return values.unique()
    if values.equals(known.slice(0, len(values))):
        return known
    return arrow.concat_arrays([known, values]).unique()


class Dictionaries:
    """The dictionaries of an output's columns.

    Attributes:
        schema: of the output; an index type that has not enough numbers for a dictionary is a wider one here.
        kept: of the chunks, which hold places in the dictionaries.
    """

    def __init__(self, arrow: Any, schema: Any, values: dict[int, Any]) -> None:
        """Take the values of each column that has a dictionary, by the column's place."""
        self._arrow = arrow
        self._values = values
        self._last: dict[int, tuple[Any, Any]] = {}  # dictionary of the input, and where its values are in ours
        self.schema = self.kept = schema
        for place, each in values.items():
            field = schema.field(place)
            index = field.type.index_type
            while (wider := _WIDER.get(str(index))) and len(each) > 1 << (index.bit_width - ("u" not in str(index))):
                index = getattr(arrow, wider)()
            type_ = arrow.dictionary(index, field.type.value_type, field.type.ordered)
            self.schema = self.schema.set(place, field.with_type(type_))
            self.kept = self.kept.set(place, arrow.field(field.name, index))

    def indices(self, place: int, column: Any) -> Any:
        """A column's places in its dictionary.

        Args:
            place: of the column.
            column: a pyarrow.ChunkedArray of the input, whatever its dictionaries are.
        """
        type_ = self.kept.field(place).type
        found = [self._codes(place, chunk.dictionary).take(chunk.indices).cast(type_) for chunk in column.chunks]
        return self._arrow.chunked_array(found, type_)

    def _codes(self, place: int, dictionary: Any) -> Any:
        last, codes = self._last.get(place, (None, None))
        if last is None or not (_buffers(last) == _buffers(dictionary) or last.equals(dictionary)):
            codes = self._arrow.compute.index_in(dictionary, value_set=self._values[place])
            self._last[place] = dictionary, codes
        return codes

    def decoded(self, table: Any) -> Any:
        """A table of chunks as the output has it."""
        columns = list(table.columns)
        for place, values in self._values.items():
            type_ = self.schema.field(place).type
            chunks = [
                self._arrow.DictionaryArray.from_arrays(each, values, ordered=type_.ordered)
                for each in columns[place].chunks
            ]
            columns[place] = self._arrow.chunked_array(chunks, type_)
        return self._arrow.Table.from_arrays(columns, schema=self.schema)


def _buffers(array: Any) -> list[Any]:
    """What tells that two arrays share their memory, while both are there."""
    return [array.offset, len(array), *((each.address, each.size) if each else None for each in array.buffers())]
