"""Chunks as Parquet and Arrow files, with the types of the input's columns."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from torchless.atomic_files import replacing
from torchless.errors import InputError

from .arrow import arrow_array, arrow_field, pyarrow
from .columns import Column
from .compression import check_writable, writing
from .dictionaries import Dictionaries, places_of
from .formats import Format
from .line_rows import LineRows
from .rows import Block

_GROUP_ROWS, _GROUP_BYTES = 1 << 17, 1 << 25  # of a row group, or of a batch of an Arrow file


class ArrowOutput:
    """A Parquet, Arrow or Feather file."""

    def __init__(
        self, written: Format, schema: Any, dictionaries: dict[int, Any], columns: Sequence[Column], name: str
    ) -> None:
        """Check that the format can hold the columns.

        Args:
            written: how.
            schema: a pyarrow.Schema of the input's columns.
            dictionaries: the values of each column that has a dictionary, by its place.
            columns: the new ones.
            name: the output's, for messages.

        Raises:
            InputError: it cannot hold one of the types.
            MissingExtraError: pyarrow is not installed.
        """
        self._arrow = pyarrow(f"writing {name}")
        check_writable(written.compression)
        self._written = written
        self._input = schema
        self._columns = columns
        for column in columns:
            schema = schema.append(arrow_field(self._arrow, column))
        self._dictionaries = Dictionaries(self._arrow, schema, dictionaries)
        self.schema = self._dictionaries.schema
        try:
            with self._writer(io.BytesIO()) as writer:
                writer.write_table(self.schema.empty_table())
        except self._arrow.ArrowException as error:
            raise InputError(f"--output {name}: {written.kind} cannot hold the input's columns: {error}.") from error

    def encode(self, chunk: Block, answers: Sequence[Sequence[Any]]) -> Iterator[bytes]:
        """The rows of a chunk with their answers, as an Arrow stream."""
        content = chunk.content
        table = table_of(self._arrow, content, self._input) if isinstance(content, LineRows) else content.table
        arrays = list(table.columns)
        for place in places_of(self._arrow, table.schema):
            arrays[place] = self._dictionaries.indices(place, arrays[place])
        arrays += [arrow_array(self._arrow, values, each) for values, each in zip(answers, self._columns, strict=True)]
        table = self._arrow.Table.from_arrays(arrays, schema=self._dictionaries.kept)
        sink = self._arrow.BufferOutputStream()
        with self._arrow.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        yield memoryview(sink.getvalue())  # type: ignore[misc]  # a buffer is written like bytes

    def assemble(self, parts: Iterable[Path], path: Path) -> None:
        """Write the file of the chunks' streams.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        compression = self._written.compression
        with replacing(path) as file, writing(file, compression) as packed, self._writer(packed) as writer:
            for table in self._groups(parts):
                writer.write_table(self._dictionaries.decoded(table))

    def _writer(self, sink: Any) -> Any:
        if self._written.kind == "parquet":
            return self._arrow.parquet.ParquetWriter(sink, self.schema, compression="zstd", version="2.6")
        packed = "lz4" if self._written.kind == "feather" else None  # as pyarrow.feather writes it
        return self._arrow.ipc.new_file(
            sink, self.schema, options=self._arrow.ipc.IpcWriteOptions(compression=packed, unify_dictionaries=True)
        )

    def _groups(self, parts: Iterable[Path]) -> Iterator[Any]:
        """The rows of all chunks, in tables that are large enough for a row group."""
        held: list[Any] = []
        rows = size = 0
        for table in map(self._read, parts):
            held.append(table)
            rows, size = rows + table.num_rows, size + table.nbytes
            if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                yield self._joined(held)
                held, rows, size = [], 0, 0
        if held:
            yield self._joined(held)

    def _joined(self, tables: Sequence[Any]) -> Any:
        return self._arrow.concat_tables(tables).unify_dictionaries().combine_chunks()

    def _read(self, part: Path) -> Any:
        with part.open("rb") as file, self._arrow.ipc.open_stream(file) as reader:
            return reader.read_all()


def table_of(arrow: Any, content: LineRows, schema: Any) -> Any:
    """Rows of a text file as a table; strings, or of JSON what the schema says."""
    arrays = []
    for place, field in enumerate(schema):
        if content.kind in ("json", "jsonl"):
            values = [record.fields.get(field.name) for record in content.records]
        else:
            values = [record.fields[place] for record in content.records]
        arrays.append(_array(arrow, values, field))
    if not arrays:
        return arrow.table({"": arrow.nulls(len(content.records))}).select([])
    return arrow.Table.from_arrays(arrays, schema=schema)


def _array(arrow: Any, values: list[Any], field: Any) -> Any:
    try:
        return arrow.array(values, field.type)
    except UnicodeEncodeError:  # JSON can write half a surrogate pair, which is no UTF-8
        return arrow.array([_valid(value) for value in values], field.type)
    except (arrow.ArrowException, OverflowError) as error:
        raise InputError(f"column {field.name}: a value is no {field.type} ({error}). Write .jsonl.") from error


def _valid(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_valid(name): _valid(each) for name, each in value.items()}
    return [_valid(each) for each in value] if isinstance(value, list) else value
