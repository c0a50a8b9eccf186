"""Rows of Parquet and Arrow files, batch by batch."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchless.errors import InputError
from torchless.inputs.column_names import first_present

from .arrow import pyarrow
from .dictionaries import bytes_of, joined, places_of
from .input_files import InputFile
from .rows import Block, Problem, Wanted

_BATCH_ROWS, _BATCH_BYTES, _SAMPLE = 1024, 16 << 20, 8
_BUFFER = 1 << 20  # bytes read at once of each column: without it whole columns of a row group are held


@dataclass(frozen=True)
class ArrowRows:
    """The columns of some rows.

    Attributes:
        table: a pyarrow.Table.
    """

    table: Any

    def part(self, start: int, stop: int) -> ArrowRows:
        """The rows from `start` to `stop`."""
        return ArrowRows(self.table.slice(start, stop - start))

    def joined(self, others: Sequence[ArrowRows]) -> ArrowRows:
        """These rows and then the others'."""
        return ArrowRows(pyarrow("tables").concat_tables([self.table, *(each.table for each in others)]))

    def beginning(self, place: int) -> str:  # noqa: ARG002
        """Empty: the format has no lines."""
        return ""


class ArrowSource:
    """The rows of Parquet, Arrow and Feather files.

    Attributes:
        names: their columns.
        rows: how many there are.
        schema: the pyarrow.Schema of all files.
    """

    def __init__(self, files: Sequence[InputFile], wanted: Wanted) -> None:
        """Look at the schema of every file.

        Raises:
            InputError: a file cannot be read, a column is missing or holds no strings, or two schemas differ.
            MissingExtraError: pyarrow is not installed.
        """
        self._arrow = pyarrow(f"reading {files[0].name}")
        self._files = files
        self._wanted = wanted
        self._groups: list[list[tuple[int, int]]] = []  # of each file
        for place, file in enumerate(files):
            with self._opened(file) as opened:
                if place == 0:
                    self.schema = opened.schema
                elif not opened.schema.equals(self.schema):
                    raise InputError(f"{file.name}: expected the columns and types of {files[0].name}, got others.")
                self._groups.append(opened.groups())
        self.rows: int | None = sum(rows for groups in self._groups for _, rows in groups)
        self.names: list[str] = list(self.schema.names)
        name = files[0].name
        self._keys = [first_present(names, self.names, name) for names in wanted.names()]
        for key in self._keys:
            refuse_no_strings(self._arrow, self.schema, key, name)

    def blocks(self, skip: int) -> Generator[Block, None, None]:
        """All rows after the first `skip`, in blocks.

        Raises:
            InputError: a file cannot be read any further.
        """
        read = 0
        for file, groups in zip(self._files, self._groups, strict=True):
            with self._opened(file) as opened:
                for group, rows in groups:
                    if read + rows <= skip:
                        read += rows
                        continue
                    for batch in opened.read(group):
                        begin = read
                        read += batch.num_rows
                        if read > skip:
                            yield self._block(batch, file.name, begin, max(0, skip - begin))

    def dictionaries(self) -> dict[int, Any]:
        """Of each column with a dictionary, by its place, the values of all files.

        Raises:
            InputError: a file cannot be read, or values of that type are not compared.
        """
        found: dict[int, Any] = {}
        places = places_of(self._arrow, self.schema)
        for file in self._files if places else ():
            with self._opened(file) as opened:
                for columns in opened.columns(places):
                    for place, column in zip(places, columns, strict=True):
                        found[place] = joined(self._arrow, found.get(place), column.dictionary)
        return found

    def _block(self, batch: Any, name: str, first: int, skip: int) -> Block:
        columns = [batch.column(self.names.index(key)) for key in self._keys]
        block = block_of(self._arrow, self._arrow.Table.from_batches([batch], self.schema), columns, self._wanted, name)
        rows = len(block.texts)
        block = block.part(skip, rows) if skip else block
        block.share = (first + rows) / max(1, self.rows or 1)
        return block

    @contextmanager
    def _opened(self, file: InputFile) -> Iterator[_Opened]:
        """One file; what pyarrow says of a damaged one is an InputError."""
        try:
            with file.opened() as (plain, _):
                kind = _Parquet if file.format.kind == "parquet" else _Ipc
                yield kind(self._arrow, _seekable(plain, file))
        except (self._arrow.ArrowException, OSError, OverflowError) as error:
            if isinstance(error, InputError) or type(error).__module__.startswith("torchless"):
                raise
            raise InputError(f"{file.name}: cannot be read as {file.format.kind}: {_first_line(error)}.") from error


def block_of(arrow: Any, table: Any, columns: Sequence[Any], wanted: Wanted, name: str) -> Block:
    """The rows of a table with their texts.

    Args:
        arrow: pyarrow.
        table: all columns.
        columns: those that make a text, an array each.
        wanted: how they make it.
        name: where the rows come from, for messages.
    """
    texts: list[Any] = []
    problems: dict[int, Problem] = {}
    for place, values in enumerate(zip(*(_strings(arrow, column) for column in columns), strict=True)):
        try:
            broken = next((value for value in values if isinstance(value, UnicodeDecodeError)), None)
            if broken is not None:
                raise InputError(f"not UTF-8 (byte 0x{broken.object[broken.start]:02x} at offset {broken.start})")
            texts.append(wanted.text(values))
        except InputError as error:
            problems[place] = Problem.of(name, None, str(error))
            texts.append(None)
    each = bytes_of(arrow, table.columns) // max(1, table.num_rows) + 1
    return Block(texts, problems, [each] * len(texts), ArrowRows(table), [(name, None)] * len(texts))


def refuse_no_strings(arrow: Any, schema: Any, key: str, name: str) -> None:
    """Refuse a column that holds no strings.

    Raises:
        InputError: so it is.
    """
    found = schema.field(key).type
    plain = found.value_type if arrow.types.is_dictionary(found) else found
    if plain not in (arrow.string(), arrow.large_string(), arrow.string_view()):
        raise InputError(f"{name}: expected a column of strings, got {found} in {key}. Name another with --column.")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__


def _seekable(plain: Any, file: InputFile) -> Any:
    """These formats are read from their end: a compressed one is unpacked into a file without a name."""
    if file.format.compression is None:
        return plain
    import shutil
    import tempfile

    unpacked = tempfile.TemporaryFile(dir=Path(file.path).parent)  # noqa: SIM115  # closed with what reads it
    shutil.copyfileobj(plain, unpacked, 1 << 20)
    unpacked.seek(0)
    return unpacked


class _Opened:
    """A file that can be read from the middle.

    Attributes:
        schema: its columns.
    """

    schema: Any

    def groups(self) -> list[tuple[int, int]]:
        """Of each group of rows its number, and how many rows it holds."""
        raise NotImplementedError

    def read(self, group: int) -> Iterator[Any]:
        """The batches of a group."""
        raise NotImplementedError

    def columns(self, places: Sequence[int]) -> Iterator[Sequence[Any]]:
        """Some columns of the whole file, batch by batch."""
        raise NotImplementedError


class _Parquet(_Opened):
    def __init__(self, arrow: Any, file: Any) -> None:
        self._arrow = arrow
        self._file = arrow.parquet.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
        self.schema = self._file.schema_arrow

    def groups(self) -> list[tuple[int, int]]:
        found = self._file.metadata
        return [(place, found.row_group(place).num_rows) for place in range(found.num_row_groups)]

    def read(self, group: int) -> Iterator[Any]:
        # What the file says of its size is that of values that may be written once for many rows.
        first = next(self._file.iter_batches(_SAMPLE, row_groups=[group], use_threads=False), None)
        if first is not None:
            size = bytes_of(self._arrow, first.columns)
            rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES * first.num_rows // max(1, size)))
            yield from self._file.iter_batches(rows, row_groups=[group], use_threads=False)

    def columns(self, places: Sequence[int]) -> Iterator[Sequence[Any]]:
        names = [self.schema.field(place).name for place in places]
        for batch in self._file.iter_batches(1 << 16, columns=names, use_threads=False):
            yield [batch.column(name) for name in names]


class _Ipc(_Opened):
    """The file format, which Feather is too, or a stream in a file, as `datasets` writes it."""

    def __init__(self, arrow: Any, file: Any) -> None:
        self._arrow = arrow
        self._file = file
        begin = file.read(6)
        file.seek(0)
        self._random = begin == b"ARROW1"
        if self._random:
            self._reader = arrow.ipc.open_file(file)
            self.schema = self._reader.schema
        else:
            with arrow.ipc.open_stream(file) as reader:
                self.schema = reader.schema

    def groups(self) -> list[tuple[int, int]]:
        """The same; it reads the whole file, because nothing else says how many rows a batch has."""
        if self._random:
            places = range(self._reader.num_record_batches)
            return [(place, self._reader.get_batch(place).num_rows) for place in places]
        self._file.seek(0, io.SEEK_SET)
        with self._arrow.ipc.open_stream(self._file) as reader:
            return [(0, sum(batch.num_rows for batch in reader))]

    def read(self, group: int) -> Iterator[Any]:
        if self._random:
            yield from _cut(self._reader.get_batch(group))
            return
        self._file.seek(0, io.SEEK_SET)
        with self._arrow.ipc.open_stream(self._file) as reader:
            for batch in reader:
                yield from _cut(batch)

    def columns(self, places: Sequence[int]) -> Iterator[Sequence[Any]]:
        options = self._arrow.ipc.IpcReadOptions(included_fields=list(places))
        self._file.seek(0, io.SEEK_SET)
        if self._random:
            reader = self._arrow.ipc.open_file(self._file, options=options)
            yield from (reader.get_batch(place).columns for place in range(reader.num_record_batches))
            return
        with self._arrow.ipc.open_stream(self._file, options=options) as stream:
            yield from (batch.columns for batch in stream)


def _cut(batch: Any) -> Iterator[Any]:
    for start in range(0, batch.num_rows, _BATCH_ROWS):
        yield batch.slice(start, _BATCH_ROWS)


def _strings(arrow: Any, array: Any) -> list[Any]:
    """Strings, None for null, and an error in the place of what is not UTF-8."""
    if arrow.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    try:
        found: list[Any] = array.to_pylist()
    except UnicodeDecodeError:
        found = [None if value is None else _decoded(value) for value in array.cast(arrow.large_binary()).to_pylist()]
    return found


def _decoded(value: bytes) -> str | UnicodeDecodeError:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        return error
