"""Rows of text files: plain lines, CSV, TSV, JSON lines and JSON arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from torchless.errors import InputError

from . import json_rows, tables
from .column_names import LABEL_COLUMNS, TEXT_COLUMNS
from .lines import lines

__all__ = ["FORMATS", "LABEL_COLUMNS", "TEXT_COLUMNS", "columns", "format_of", "lines"]

_READERS = {
    "csv": tables.from_csv,
    "tsv": tables.from_tsv,
    "jsonl": json_rows.from_lines,
    "json": json_rows.from_json,
}
FORMATS = (*_READERS, "text")
EXTENSIONS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".txt": "text",
    "": "text",
}


def format_of(name: str, advice: str = "") -> str:
    """The format of a file, one of FORMATS, by the extension of its name.

    Raises:
        InputError: the extension is none of a text file; the advice ends the message.
    """
    extension = Path(name.rstrip(".")).suffix.lower()
    if extension not in EXTENSIONS:
        known = ", ".join(filter(None, EXTENSIONS))
        raise InputError(f"{name}: expected one of the extensions {known} or none, got {extension}.{advice}")
    return EXTENSIONS[extension]


def columns(
    file: Iterable[bytes], name: str, *wanted: Sequence[str], text_format: str | None = None
) -> Iterator[tuple[str, ...]]:
    """Rows of a file, each cut down to the wanted columns.

    Args:
        file: its lines.
        name: the file's name, for messages.
        wanted: the columns; of each the names it may go by, the first that is there counts.
        text_format: one of FORMATS; None takes `format_of(name)`.

    Raises:
        InputError: the format is not known, a column is missing, or a line is not what it should be; the message says
            which.
    """
    text_format = text_format or format_of(name)
    if text_format != "text":
        return _READERS[text_format](file, name, wanted)
    if wanted != (TEXT_COLUMNS,):
        raise InputError(f"{name} has no columns; expected a .csv, .tsv, .jsonl or .json file.")
    return ((line,) for line in lines(file, name))
