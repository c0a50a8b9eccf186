"""Where the command line's texts come from: arguments, stdin, a file of lines, CSV, TSV or JSON lines."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

from .errors import InputError

TEXT_COLUMNS = ("text", "sentence")  # what data sets call it, unless --column says otherwise
CHUNK_TEXTS = 1024  # read, answered and written together: bounds memory, and how much a broken pipe loses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that name a model and its texts."""
    parser.add_argument("model", metavar="MODEL", help="a bundle folder")
    parser.add_argument("texts", metavar="TEXT", nargs="*", help="texts; - reads one a line from stdin")
    parser.add_argument("--input", metavar="FILE", help="read texts from .txt (one a line), .csv, .tsv or .jsonl")
    parser.add_argument("--column", metavar="C", help="the column (csv, tsv) or key (jsonl) that holds the text")
    parser.add_argument("--precision", choices=["auto", "fp32", "int8"], default="auto", help="default: the bundle's")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", metavar="N", type=int, help="default: the CPUs this process may use")


def read(options: argparse.Namespace) -> Iterator[list[str]]:
    """The texts that a command line names, in chunks of at most CHUNK_TEXTS.

    Raises:
        InputError: no texts are named, two sources are, a file cannot be read, or a line is not what it should be;
            the message says which.
    """
    if bool(options.texts) == bool(options.input):
        raise InputError("expected texts: TEXT arguments, - for stdin, or --input FILE (one of these).")
    if options.column and not options.input:
        raise InputError("--column goes with --input FILE.")
    if options.input:
        with _open(options.input) as file:
            names = (options.column,) if options.column else TEXT_COLUMNS
            yield from _chunks(text for (text,) in columns(file, options.input, names))
    else:
        yield from _chunks(_from_arguments(options.texts))


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    texts = iter(texts)
    while chunk := list(islice(texts, CHUNK_TEXTS)):
        yield chunk


def _from_arguments(texts: list[str]) -> Iterator[str]:
    for text in texts:
        if text == "-":
            yield from _lines(sys.stdin.buffer, "stdin")
        else:
            yield text


@contextmanager
def _open(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115  # the next statement is its `with`
    except OSError as error:
        raise InputError(f"--input {name}: {error.strerror}.") from error
    with file:
        yield file


def columns(file: BinaryIO, name: str, *wanted: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Rows of a file, each cut down to the wanted columns.

    Args:
        file: the bytes.
        name: the file's name, for its kind (.csv, .tsv, .jsonl, else plain lines) and for messages.
        wanted: the columns; of each the names it may go by, the first that is there counts.

    Raises:
        InputError: a column is missing, or a line is not what it should be; the message says which.
    """
    kind = Path(name).suffix.lower()
    if kind in (".csv", ".tsv"):
        return _from_table(file, name, wanted, "," if kind == ".csv" else "\t")
    if kind in (".jsonl", ".ndjson"):
        return _from_json_lines(file, name, wanted)
    if wanted != (TEXT_COLUMNS,):
        raise InputError(f"{name} has no columns; expected a .csv, .tsv or .jsonl file.")
    return ((line,) for line in _lines(file, name))


def _lines(file: BinaryIO, name: str) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        try:
            text = line.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name}, line {number}: not UTF-8 (byte 0x{line[error.start]:02x} at offset {error.start}). "
                "Convert it first, for example with: iconv -t UTF-8"
            ) from None
        yield text.removeprefix("\ufeff") if number == 1 else text  # spreadsheets begin UTF-8 files with a mark


def _from_table(
    file: BinaryIO, name: str, wanted: Sequence[Sequence[str]], delimiter: str
) -> Iterator[tuple[str, ...]]:
    # TSV files of this field (GLUE) hold bare quotes; RFC 4180 gives them a meaning in CSV only.
    rows = csv.reader(
        (line + "\n" for line in _lines(file, name)),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE,
        strict=True,
    )
    try:
        header = next(rows, [])
        places = [header.index(_first_present(names, header, name)) for names in wanted]
        for row in rows:
            if len(row) <= max(places):
                raise InputError(f"{name}, line {rows.line_num}: expected {len(header)} columns, got {len(row)}.")
            yield tuple(row[place] for place in places)
    except csv.Error as error:
        raise InputError(f"{name}, line {rows.line_num}: {error}.") from error


def _from_json_lines(file: BinaryIO, name: str, wanted: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    for number, line in enumerate(_lines(file, name), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{name}, line {number}: not JSON ({error}).") from error
        if not isinstance(row, dict):
            raise InputError(f"{name}, line {number}: expected an object, got {type(row).__name__}.")
        values = [row[_first_present(names, row, f"{name}, line {number}")] for names in wanted]
        if not isinstance(values[0], str):
            raise InputError(f"{name}, line {number}: expected a string as text, got {type(values[0]).__name__}.")
        yield tuple(map(str, values))


def _first_present(names: Sequence[str], present: Collection[str], where: str) -> str:
    for name in names:
        if name in present:
            return name
    raise InputError(f"{where}: expected a column {' or '.join(names)}, got {', '.join(present) or 'none'}.")


class Progress:
    """A count on stderr for long work, shown only on a terminal."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._shown = False

    def show(self, count: int) -> None:
        """Show how many are done; work that ends within one chunk shows nothing."""
        if count > CHUNK_TEXTS and sys.stderr.isatty():
            self._shown = True
            print(f"\r{count:,} {self._noun}", end="", file=sys.stderr, flush=True)  # noqa: T201

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            print(file=sys.stderr)  # noqa: T201


@contextmanager
def text_output(path: str | None) -> Iterator[TextIO]:
    """Stdout, or a UTF-8 file that appears whole or not at all."""
    if path is None:
        yield sys.stdout
        return
    from .output import replacing

    with replacing(Path(path)) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        yield file
