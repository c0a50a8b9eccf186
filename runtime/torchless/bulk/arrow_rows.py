"""Rows of Parquet and Arrow files, batch by batch."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torchless.errors import InputError, TorchlessError
from torchless.inputs.column_names import first_present

from . import int96
from .arrow import pyarrow
from .arrow_files import OpenedFile, open_file
from .dictionaries import bytes_of, joined, places_of
from .input_files import InputFile
from .rows import Block, Problem, Wanted


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
        self._unit: str | None = None  # of INT96 timestamps; None where there are none
        self._groups: list[list[tuple[int, int]]] = []  # of each file
        kinds: set[str] | None = None  # of INT96 timestamps
        schemas = []
        for file in files:
            with self._opened(file) as opened:
                schemas.append(opened.schema)
                self._groups.append(opened.groups())
                if names := opened.int96_names():
                    kinds = (kinds or set()) | int96.kinds(self._arrow, opened.file, names)
        if kinds is not None:
            self._unit = int96.unit(kinds, files[0].name)
            schemas = [self._schema_of(file) for file in files]
        self.schema = schemas[0]
        for file, schema in zip(files, schemas, strict=True):
            if not schema.equals(self.schema):
                raise InputError(f"{file.name}: expected the columns and types of {files[0].name}, got others.")
        self.rows: int | None = sum(rows for groups in self._groups for _, rows in groups)
        self.names: list[str] = list(self.schema.names)
        name = files[0].name
        self._keys = [first_present(names, self.names, name) for names in wanted.names()]
        for key in self._keys:
            refuse_no_strings(self._arrow, self.schema, key, name)

    def _schema_of(self, file: InputFile) -> Any:
        with self._opened(file) as opened:
            return opened.schema

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
    def _opened(self, file: InputFile) -> Iterator[OpenedFile]:
        """One file; what pyarrow says of a damaged one is an InputError."""
        try:
            with file.opened() as (plain, _), open_file(self._arrow, plain, file, self._unit) as opened:
                yield opened
        except (self._arrow.ArrowException, OSError, OverflowError) as error:
            if isinstance(error, TorchlessError):
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
