"""Names of files on the command line: the extension of an output says what is written."""

from __future__ import annotations

import argparse
from pathlib import Path

from torchless.bulk.formats import READABLE, split_name
from torchless.errors import InputError

# What commands write, the formats whose extensions it may have, and the name to choose.
_WRITTEN = {
    "text": (("text",), ".txt or no extension"),
    "scores": (("text", "tsv"), ".txt, .tsv or no extension"),
    "JSON lines": (("jsonl", "json", "text"), ".jsonl"),
    "one array": (("npy",), ".npy"),
}


def file_name(value: str) -> str:
    """The type of an option that names a file."""
    if not value:
        raise argparse.ArgumentTypeError("expected a file name, got ''")
    return value


def output_name(value: str) -> str | None:
    """The type of --output: a file's name, or None for -, which is stdout."""
    return None if value == "-" else file_name(value)


def refuse_other_format(options: argparse.Namespace, written: str, *, tables: bool) -> None:
    """Refuse an --output whose extension states another format than is written. Unknown extensions state none.

    Args:
        options: the command line's.
        written: "text", "scores" (columns with tabs between them), "JSON lines" or "one array".
        tables: whether the command can also write tables.

    Raises:
        InputError: it states another; the message says what writes that one.
    """
    if options.output is None:
        return
    extension, compression = split_name(options.output)
    kind = "npy" if extension == ".npy" else READABLE.get(extension, "text")
    formats, choice = _WRITTEN[written]
    if compression or kind not in formats:
        got = "".join(Path(options.output).suffixes[-2:]) if compression else extension
        advice = _advice(kind, written, tables=tables)
        raise InputError(f"--output {options.output}: expected {choice} for {written}, got {got}. {advice}")


def _advice(kind: str, written: str, *, tables: bool) -> str:
    if kind == "npy":
        return "torchless embed writes .npy."
    advice = "--json writes JSON lines. " if kind in ("json", "jsonl") and written in ("text", "scores") else ""
    if not tables:
        return f"{advice}torchless predict and torchless embed write tables, with --input FILE."
    return f"{advice}A table needs --input FILE{' and no --json' if written == 'JSON lines' else ''}."
