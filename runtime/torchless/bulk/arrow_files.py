"""Files of Parquet and Arrow, read from the middle."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .dictionaries import bytes_of
from .input_files import InputFile
from .int96 import columns_of

_BATCH_ROWS, _BATCH_BYTES, _SAMPLE = 1024, 16 << 20, 8
_BUFFER = 1 << 20  # bytes read at once of each column: without it whole columns of a row group are held


class OpenedFile:
    """A file that can be read from the middle.

    Attributes:
        file: as it lies there.
        schema: its columns.
    """

    file: Any
    schema: Any

    def groups(self) -> list[tuple[int, int]]:
        """Of each group of rows its number, and how many rows it holds."""
        raise NotImplementedError

    def int96_names(self) -> list[str]:
        """The columns with INT96 timestamps, which Parquet alone has."""
        return []

    def read(self, group: int) -> Iterator[Any]:
        """The batches of a group."""
        raise NotImplementedError

    def columns(self, places: Sequence[int]) -> Iterator[Sequence[Any]]:
        """Some columns of the whole file, batch by batch."""
        raise NotImplementedError


class _Parquet(OpenedFile):
    def __init__(self, arrow: Any, file: Any, unit: str | None) -> None:
        self._arrow = arrow
        self.file = file
        self._reader = arrow.parquet.ParquetFile(
            file, buffer_size=_BUFFER, pre_buffer=False, coerce_int96_timestamp_unit=unit
        )
        self.schema = self._reader.schema_arrow

    def groups(self) -> list[tuple[int, int]]:
        found = self._reader.metadata
        return [(place, found.row_group(place).num_rows) for place in range(found.num_row_groups)]

    def int96_names(self) -> list[str]:
        return columns_of(self._reader)

    def read(self, group: int) -> Iterator[Any]:
        # What the file says of its size is that of values that may be written once for many rows.
        first = next(self._reader.iter_batches(_SAMPLE, row_groups=[group], use_threads=False), None)
        if first is not None:
            size = bytes_of(self._arrow, first.columns)
            rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES * first.num_rows // max(1, size)))
            yield from self._reader.iter_batches(rows, row_groups=[group], use_threads=False)

    def columns(self, places: Sequence[int]) -> Iterator[Sequence[Any]]:
        names = [self.schema.field(place).name for place in places]
        for batch in self._reader.iter_batches(1 << 16, columns=names, use_threads=False):
            yield [batch.column(name) for name in names]


class _Ipc(OpenedFile):
    """The file format, which Feather is too, or a stream in a file, as `datasets` writes it."""

    def __init__(self, arrow: Any, file: Any) -> None:
        self._arrow = arrow
        self.file = file
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
        self.file.seek(0, io.SEEK_SET)
        with self._arrow.ipc.open_stream(self.file) as reader:
            return [(0, sum(batch.num_rows for batch in reader))]

    def read(self, group: int) -> Iterator[Any]:
        if self._random:
            yield from _cut(self._reader.get_batch(group))
            return
        self.file.seek(0, io.SEEK_SET)
        with self._arrow.ipc.open_stream(self.file) as reader:
            for batch in reader:
                yield from _cut(batch)

    def columns(self, places: Sequence[int]) -> Iterator[Sequence[Any]]:
        options = self._arrow.ipc.IpcReadOptions(included_fields=list(places))
        self.file.seek(0, io.SEEK_SET)
        if self._random:
            reader = self._arrow.ipc.open_file(self.file, options=options)
            yield from (reader.get_batch(place).columns for place in range(reader.num_record_batches))
            return
        with self._arrow.ipc.open_stream(self.file, options=options) as stream:
            yield from (batch.columns for batch in stream)


def _cut(batch: Any) -> Iterator[Any]:
    for start in range(0, batch.num_rows, _BATCH_ROWS):
        yield batch.slice(start, _BATCH_ROWS)


@contextmanager
def open_file(arrow: Any, plain: Any, file: InputFile, int96_unit: str | None) -> Iterator[OpenedFile]:
    """A file, whose bytes `plain` reads; what pyarrow says of a damaged one is its own error.

    Args:
        arrow: pyarrow.
        plain: the file decompressed.
        file: where it lies, and how it is written.
        int96_unit: as in `int96.unit`; None for nanoseconds.
    """
    with _seekable(plain, file) as whole:
        yield _Parquet(arrow, whole, int96_unit) if file.format.kind == "parquet" else _Ipc(arrow, whole)


def _seekable(plain: Any, file: InputFile) -> Any:
    """These formats are read from their end: a compressed one is unpacked into a file without a name."""
    if file.format.compression is None:
        return plain
    import shutil

    unpacked = _temporary(file.path.parent)
    shutil.copyfileobj(plain, unpacked, 1 << 20)
    unpacked.seek(0)
    return unpacked


def _temporary(folder: Path) -> Any:
    """A file without a name, on the disk of the input; where that may only be read, in the system's place for those."""
    import tempfile

    try:
        return tempfile.TemporaryFile(dir=folder)
    except OSError:
        return tempfile.TemporaryFile()
