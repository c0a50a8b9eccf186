"""Chunks as lines of CSV, TSV and JSON lines. A row that had this format keeps its bytes, and answers are added."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from torchless.atomic_files import AtomicFile, replacing
from torchless.errors import InputError

from .columns import Column
from .compression import check_writable, writing
from .formats import Format
from .json_values import as_json, cell, readable, values
from .line_formats import Record
from .line_rows import LineRows
from .line_source import LineSource
from .rows import Block, Source

_ROWS = 512  # encoded at once, which bounds memory where a row holds a vector
_MARK = "\ufeff"


class LineOutput:
    """A CSV, TSV or JSON lines file."""

    def __init__(self, written: Format, source: Source, names: Sequence[str], columns: Sequence[Column]) -> None:
        """Check that the rows can be written so.

        Args:
            written: how.
            source: where the rows come from.
            names: the columns of the input.
            columns: the new ones.

        Raises:
            MissingExtraError: .zst, and neither Python nor pyarrow can write it.
        """
        check_writable(written.compression)
        self._kind = written.kind
        self._compression = written.compression
        self._names = list(names)
        self._columns = columns
        same = isinstance(source, LineSource) and source.kind == written.kind
        self._same = source if same and isinstance(source, LineSource) else None
        self._end = self._same.end if self._same else "\n"

    def encode(self, chunk: Block, answers: Sequence[Sequence[Any]]) -> Iterator[bytes]:
        """The rows of a chunk with their answers (of each new column one value per row), piece by piece."""
        for start in range(0, len(chunk.texts), _ROWS):
            content = chunk.content.part(start, min(start + _ROWS, len(chunk.texts)))
            new = list(zip(*(column[start : start + _ROWS] for column in answers), strict=True))
            rows = self._json(content, new) if self._kind == "jsonl" else self._cells(content, new)
            yield "".join(rows).encode(errors="replace")

    def assemble(self, parts: Iterable[Path], path: Path) -> None:
        """Write the file of the chunks' bytes.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        with replacing(path) as file, writing(file, self._compression) as packed:
            packed.write(self._head())
            for part in parts:
                with part.open("rb") as each:
                    _copy(each, packed)

    def _head(self) -> bytes:
        if self._kind == "jsonl":
            return b""
        new = self._joined([column.name for column in self._columns])
        old = self._same.header if self._same else self._joined(self._names)
        mark = _MARK if self._same and self._same.mark else ""
        return (mark + self._with(old, new) + self._end).encode()

    def _with(self, old: str, new: str) -> str:
        separator = "," if self._kind == "csv" else "\t"
        return f"{old}{separator}{new}" if self._names else new

    def _joined(self, fields: Sequence[str]) -> str:
        return ",".join(map(_csv, fields)) if self._kind == "csv" else "\t".join(map(_tsv, fields))

    def _cells(self, content: Any, new: Sequence[Sequence[Any]]) -> Iterator[str]:
        added = (self._joined([cell(value) for value in each]) for each in new)
        if self._same is not None:
            for record, answers in zip(content.records, added, strict=True):
                old = self._joined(record.fields) if record.raw is None else record.raw
                yield self._with(old, answers) + self._end
            return
        for row, answers in zip(self._rows(content), added, strict=True):
            yield self._with(self._joined([cell(value) for value in row]), answers) + self._end

    def _rows(self, content: Any) -> Iterator[Sequence[Any]]:
        """The values of each row, in the order of the columns."""
        if not isinstance(content, LineRows):
            yield from zip(*_arrow_values(content), strict=True)
        elif content.kind in ("json", "jsonl"):
            for record in content.records:
                yield [record.fields.get(name) for name in self._names]
        else:
            yield from (record.fields for record in content.records)

    def _json(self, content: Any, new: Sequence[Sequence[Any]]) -> Iterator[str]:
        names = [column.name for column in self._columns]
        if isinstance(content, LineRows) and content.kind in ("json", "jsonl"):
            for record, answers in zip(content.records, new, strict=True):
                yield _spliced(record, dict(zip(names, answers, strict=True)))
            return
        for row, answers in zip(self._rows(content), new, strict=True):
            yield as_json(dict(zip([*self._names, *names], [*row, *answers], strict=True))) + "\n"


def _spliced(record: Record, new: dict[str, Any]) -> str:
    """The object as it stands, with the new keys at its end; it has none of them, as `json_scan` has made sure."""
    added = [f"{json.dumps(name)}: {as_json(value)}" for name, value in new.items()]
    begun = "{" if record.raw is None else record.raw[:-1].rstrip()
    separator = "" if begun.endswith("{") or not added else ", "
    return f"{begun}{separator}{', '.join(added)}}}\n"


def _arrow_values(content: Any) -> list[list[Any]]:
    from .arrow import pyarrow

    arrow = pyarrow("Arrow columns")
    try:
        return [values(readable(arrow, column)) for column in content.table.columns]
    except arrow.ArrowException as error:
        raise InputError(f"a column cannot be written as text: {error}. Write .parquet.") from error


def _csv(field: str) -> str:
    if any(character in field for character in ',"\n\r') or field[:1] in (" ", "") or field[-1:] == " ":
        return '"' + field.replace('"', '""') + '"' if field else field
    return field


def _tsv(field: str) -> str:
    """A field that `inputs/tsv.py` reads as it is."""
    if any(character in field for character in "\t\n\r") or field.startswith('"'):
        return '"' + field.replace('"', '""') + '"'
    return field


def _copy(source: IO[bytes], target: AtomicFile) -> None:
    shutil.copyfileobj(source, target, 1 << 20)
