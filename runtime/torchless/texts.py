"""Where the command line's texts come from: arguments, stdin, a file of lines, CSV, TSV or JSON lines."""

from __future__ import annotations

import argparse
import csv
import json
import os
import select
import stat
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .arguments import refuse_lone_surrogate
from .errors import InputError

TEXT_COLUMNS = ("text", "sentence")  # what data sets call it, unless --column says otherwise
CHUNK_TEXTS = 1024  # at most so many are read, answered and written together: bounds memory
_LONGEST_FIELD = 2**31 - 1  # csv stops at 128 KiB unless told otherwise; a C long holds no more everywhere


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that name a model and its texts."""
    parser.add_argument("model", metavar="MODEL", help="a bundle: a folder, an installed package or a Hub id")
    parser.add_argument("texts", metavar="TEXT", nargs="*", help="texts; - reads one a line from stdin")
    parser.add_argument(
        "--input", metavar="FILE", type=file_name, help="read texts from .txt (one a line), .csv, .tsv or .jsonl"
    )
    parser.add_argument("--column", metavar="C", help="the column (csv, tsv) or key (jsonl) that holds the text")
    parser.add_argument("--precision", choices=["auto", "fp32", "int8"], default="auto", help="default: the bundle's")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", metavar="N", type=int, help="default: the CPUs this process may use")
    parser.set_defaults(wrong_usage=parser.error)


def file_name(value: str) -> str:
    """The type of an option that names a file."""
    if not value:
        raise argparse.ArgumentTypeError("expected a file name, got ''")
    return value


def read(options: argparse.Namespace) -> Iterator[list[str]]:
    """The texts that a command line names, in chunks of at most CHUNK_TEXTS.

    What comes through a pipe or from a terminal is not held back until a chunk is full.

    Raises:
        InputError: a file cannot be read, or a line is not what it should be; the message says which.
        SystemExit: no texts are named, or two sources are; argparse has said so.
    """
    if bool(options.texts) == bool(options.input):
        options.wrong_usage("expected texts: TEXT arguments, - for stdin, or --input FILE (one of these)")
    if options.column and not options.input:
        options.wrong_usage("--column goes with --input FILE")
    if not options.input and "-" not in options.texts:
        yield from _chunks(_from_arguments(options.texts, ()), lambda: False)
        return
    with _open(options.input or "-") as file:
        lines = _Arriving(file) if _comes_bit_by_bit(file) else file
        waits = lines.waits if isinstance(lines, _Arriving) else lambda: False
        if options.input:
            names = (options.column,) if options.column else TEXT_COLUMNS
            yield from _chunks((text for (text,) in columns(lines, options.input, names)), waits)
        else:
            yield from _chunks(_from_arguments(options.texts, lines), waits)


def _chunks(texts: Iterable[str], waits: Callable[[], bool]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for text in texts:
        chunk.append(text)
        if len(chunk) == CHUNK_TEXTS or waits():
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _from_arguments(texts: list[str], stdin: Iterable[bytes]) -> Iterator[str]:
    for number, text in enumerate(texts, 1):
        if text == "-":
            yield from _lines(stdin, "stdin")
        else:
            refuse_lone_surrogate(text, f"TEXT {number}")
            yield text


@contextmanager
def _open(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115  # the next statement is its `with`
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"--input {name}: {getattr(error, 'strerror', None) or error}.") from error
    with file:
        yield file


def _comes_bit_by_bit(file: BinaryIO) -> bool:
    """Whether it is a pipe, a socket or a terminal."""
    try:
        mode = os.fstat(file.fileno()).st_mode
    except OSError:  # no file of the system's
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


class _Arriving:
    """The lines of a pipe or a terminal, and whether the next one would have to be waited for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file.fileno()
        self._lines: deque[bytes] = deque()

    def waits(self) -> bool:
        """Whether no whole line is here and none is coming in."""
        if self._lines:
            return False
        try:
            return not select.select([self._file], [], [], 0)[0]
        except OSError:  # Windows selects sockets alone
            return False

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        while data := os.read(self._file, 1 << 16):
            *whole, rest = (rest + data).split(b"\n")
            self._lines.extend(line + b"\n" for line in whole)
            while self._lines:
                yield self._lines.popleft()
        if rest:
            yield rest


def columns(file: Iterable[bytes], name: str, *wanted: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Rows of a file, each cut down to the wanted columns.

    Args:
        file: its lines.
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


def _lines(file: Iterable[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(_read(file, name), 1):
        try:
            text = line.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name}, line {number}: not UTF-8 (byte 0x{line[error.start]:02x} at offset {error.start}). "
                "Convert it first, for example with: iconv -t UTF-8"
            ) from None
        yield text.removeprefix("\ufeff") if number == 1 else text  # spreadsheets begin UTF-8 files with a mark


def _read(file: Iterable[bytes], name: str) -> Iterator[bytes]:
    try:
        yield from file
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}.") from error


def _from_table(
    file: Iterable[bytes], name: str, wanted: Sequence[Sequence[str]], delimiter: str
) -> Iterator[tuple[str, ...]]:
    csv.field_size_limit(_LONGEST_FIELD)
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
            if not row:  # a blank line, which csv.DictReader skips too
                continue
            if len(row) != len(header):
                raise InputError(f"{name}, line {rows.line_num}: expected {len(header)} columns, got {len(row)}.")
            yield tuple(row[place] for place in places)
    except csv.Error as error:
        raise InputError(f"{name}, line {rows.line_num}: {error}.") from error


def _from_json_lines(file: Iterable[bytes], name: str, wanted: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    for number, line in enumerate(_lines(file, name), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{name}, line {number}: not JSON ({error}).") from error
        if not isinstance(row, dict):
            raise InputError(f"{name}, line {number}: expected an object, got {type(row).__name__}.")
        values = [row[_first_present(names, row, f"{name}, line {number}")] for names in wanted]
        if not isinstance(values[0], str):
            raise InputError(f"{name}, line {number}: expected a string as text, got {type(values[0]).__name__}.")
        refuse_lone_surrogate(values[0], f"{name}, line {number}")  # JSON's escapes can write one
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


_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def visible(text: str) -> str:
    """A line with its control characters spelled out: a terminal would obey them."""
    return text.translate(_CONTROLS)


def report_truncated(truncated: int, count: int, limit: int) -> None:
    """Say on stderr how many texts lost their end."""
    if truncated:
        print(f"torchless: {truncated} of {count} texts were cut to {limit} tokens", file=sys.stderr)  # noqa: T201


@contextmanager
def text_output(path: str | None) -> Iterator[Callable[[str], object]]:
    """What writes text to stdout, or to a UTF-8 file that appears whole or not at all.

    Raises:
        OutputError: from the function or at the end: the file cannot be written.
    """
    if path is None:
        yield lambda text: print(text, end="", flush=True)  # noqa: T201
        return
    from .output import replacing

    with replacing(Path(path)) as output:
        yield lambda text: output.write(text.encode())
