"""Where the command line's texts come from: arguments, stdin, a file of lines, CSV, TSV or JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from torchless.bulk.formats import ARROW, READABLE, Format, split_name
from torchless.bulk.rows import Wanted
from torchless.errors import InputError
from torchless.inputs.arguments import Text, TextPair, characters, refuse_lone_surrogate
from torchless.inputs.line_ends import refuse_lone_returns
from torchless.inputs.lines import LONGEST_BYTES
from torchless.inputs.same_file import refuse_input
from torchless.inputs.text_files import FORMATS, TEXT_COLUMNS, columns, format_of, lines
from torchless.inputs.windows import Windows

from .file_names import file_name
from .stdin import Arriving, comes_bit_by_bit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchless.bulk.rows import Source

# At most so many are read, answered and written together, which bounds memory; a longer text stands alone.
CHUNK_TEXTS, CHUNK_CHARACTERS = 1024, 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that name a model and its texts."""
    add_model_argument(parser)
    add_text_arguments(parser, "TEXT", "text")
    parser.add_argument(
        "--pair", metavar="TEXT", help="second text, which forms a pair with each of the texts (default: no pairs)"
    )
    parser.add_argument(
        "--pair-column", metavar="C", help="column or key that holds the second text of each pair (default: no pairs)"
    )
    add_running_arguments(parser)


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the argument that names a model."""
    parser.add_argument("model", metavar="MODEL", help="a bundle: a folder, an installed model package or a Hub id")


def add_text_arguments(parser: argparse.ArgumentParser, metavar: str, noun: str) -> None:
    """Declare what names texts: arguments, or a file; `noun` is what one of them is called."""
    parser.add_argument(
        "texts", metavar=metavar, nargs="*", help=f"one {noun} or more; - reads stdin, one {noun} per line"
    )
    parser.add_argument(
        "--input",
        metavar="FILE",
        type=file_name,
        help=f"file of {noun}s: .csv, .tsv, .jsonl, .json, .parquet, .arrow, .feather, or one {noun} per line, "
        "each also with .gz or .zst; a folder or a pattern of such files; - is stdin",
    )
    parser.add_argument(
        "--input-format",
        choices=(*FORMATS, *ARROW),
        help=f"format of that file; jsonl: one object per line, json: that or an array of objects, text: one {noun} "
        "per line (default: by the extension; text for .txt, none and stdin)",
    )
    parser.add_argument(
        "--column", metavar="C", help=f"column or key (JSON) that holds the {noun} (default: text or sentence)"
    )
    parser.set_defaults(wrong_usage=parser.error, pair=None, pair_column=None, output=None, metavar=metavar, noun=noun)


def add_running_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how and where a model runs."""
    parser.add_argument(
        "--precision",
        choices=["auto", "fp32", "fp16", "int8"],
        default="auto",
        help="variant to load; auto: the bundle's default, on a GPU fp16 if the bundle holds it (default: auto)",
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where the model runs (default: cpu)")
    parser.add_argument(
        "--threads", metavar="N", type=int, help="CPU threads, 1 to 1024 (default: the CPUs that this process may use)"
    )


def running(options: argparse.Namespace) -> dict[str, Any]:
    """How and where a model runs, as the classes that load one take it."""
    return {"precision": options.precision, "device": options.device, "threads": options.threads}


def top_k(value: str) -> int | str:
    """The type of --top-k."""
    if value == "all":
        return value
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, or all, got {value!r}")
    return number


def number(top_k: int | str) -> int | None:
    """What --top-k means to the library."""
    return top_k if isinstance(top_k, int) else None


def read(options: argparse.Namespace) -> Iterator[list[Text]]:
    """The texts or pairs that a command line names, in chunks of at most CHUNK_TEXTS and about CHUNK_CHARACTERS.

    What comes through a pipe or from a terminal is not held back until a chunk is full.

    Raises:
        InputError: a file cannot be read, is the output too, or a line is not what it should be; the message says
            which.
        SystemExit: no texts are named, or two sources are; argparse has said so.
    """
    if bool(options.texts) == bool(options.input):
        options.wrong_usage(
            f"expected {options.noun}s from one source: {options.metavar} arguments (- is stdin) or --input FILE"
        )
    if (options.column or options.pair_column or options.input_format) and not options.input:
        options.wrong_usage("--input-format, --column and --pair-column need --input FILE")
    check_pair(options)
    if options.input and (beyond := _beyond_lines(options)):
        yield from beyond
        return
    if not options.input and "-" not in options.texts:
        yield from _chunks(_from_arguments(options, ()), options.pair, lambda: False)
        return
    with _open(options.input or "-") as file:
        refuse_input(options.output, file, options.input if options.input not in (None, "-") else "stdin")
        arriving = Arriving(file) if comes_bit_by_bit(file) else None
        waits = arriving.waits if arriving else lambda: False
        source = arriving or iter(partial(file.readline, LONGEST_BYTES + 1), b"")
        if options.input:
            text_format = options.input_format or format_of(options.input, " Name its format with --input-format.")
            source = _checked(source, options.input, text_format)
            rows = columns(source, options.input, *wanted(options).names(), text_format=text_format)
        else:
            rows = _from_arguments(options, _checked(source, "stdin", "text"))
        yield from _chunks(rows, options.pair, waits)


def _checked(source: Iterable[bytes], name: str, text_format: str) -> Iterator[bytes]:
    """The same lines, unless the first shows that they do not end as lines here do."""
    rest = iter(source)
    for first in rest:
        with suppress(UnicodeDecodeError):  # the reader names the encoding
            refuse_lone_returns(first.decode(), name, text_format)
        yield first
        yield from rest


def check_pair(options: argparse.Namespace) -> None:
    """Refuse a second text that is named twice, or that no UTF-8 text can hold.

    Raises:
        InputError: it holds a lone surrogate.
        SystemExit: it is named twice; argparse has said so.
    """
    if options.pair is not None and options.pair_column:
        options.wrong_usage("expected --pair TEXT or --pair-column C, not both")
    if options.pair is not None:
        refuse_lone_surrogate(options.pair, "--pair")


def wanted(options: argparse.Namespace) -> Wanted:
    """Which columns of a file make a text."""
    return Wanted((options.column,) if options.column else TEXT_COLUMNS, options.pair_column, options.pair)


def _beyond_lines(options: argparse.Namespace) -> Iterator[list[Text]] | None:
    """The texts of Parquet and Arrow files, compressed files, folders and patterns; None for any other input."""
    import glob

    path, (extension, compression) = Path(options.input), split_name(options.input)
    several = path.is_dir() or (not path.exists() and glob.has_magic(options.input))
    arrow = Format(options.input_format or READABLE.get(extension, "")).arrow
    if options.input == "-":
        return _from_stream(options) if arrow else None
    if not (several or compression or arrow):
        return None
    from torchless.bulk.input_files import find
    from torchless.bulk.job import source_of

    files = find(options.input, options.input_format)
    for file in files:
        refuse_input(options.output, file.path, file.name)
    return _strictly(source_of(files, wanted(options)))


def _from_stream(options: argparse.Namespace) -> Iterator[list[Text]]:
    """The texts of a Parquet or Arrow file that comes through stdin: such a file is read from its end."""
    import tempfile

    from torchless.bulk.input_files import spool
    from torchless.bulk.job import source_of

    refuse_input(options.output, sys.stdin.buffer, "stdin")
    try:
        folder = tempfile.TemporaryDirectory()
    except OSError as error:
        raise InputError(f"stdin: no folder for temporary files ({error}). Name one in TMPDIR.") from error
    with folder as name:
        file = spool(sys.stdin.buffer, Path(name, "stdin"), options.input_format)
        yield from _strictly(source_of([file], wanted(options)))


def _strictly(source: Source) -> Iterator[list[Text]]:
    row = 0
    for block in source.blocks(0):
        for place in sorted(block.problems):
            problem = block.problems[place]
            raise InputError(f"{problem.where(row + place + 1)}: {problem.reason}.")
        row += len(block.texts)
        yield from _chunks(((text,) for text in block.texts if text is not None), None, lambda: False)


def _chunks(rows: Iterable[tuple[Any, ...]], pair: str | None, waits: Callable[[], bool]) -> Iterator[list[Text]]:
    """A row is a text, or the two of a pair; `pair` is the second text of all of them."""
    chunk: list[Text] = []
    size = 0
    for row in rows:
        first, *second = row if pair is None else (*row, pair)
        chunk.append(TextPair(first, *second) if second else first)
        size += characters(chunk[-1])
        if len(chunk) == CHUNK_TEXTS or size >= CHUNK_CHARACTERS or waits():
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _from_arguments(options: argparse.Namespace, stdin: Iterable[bytes]) -> Iterator[tuple[str]]:
    for number, text in enumerate(options.texts, 1):
        if text == "-":
            yield from ((line,) for line in lines(stdin, "stdin"))
        else:
            refuse_lone_surrogate(text, f"{options.metavar} {number}")
            yield (text,)


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


def add_window_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how texts beyond the model's limit are read; without any of these options they are cut."""
    group = parser.add_argument_group(
        "windows", "Each of these options makes the model read long texts in windows. Without them, long texts are cut."
    ).add_argument
    group("--stride", metavar="N", type=int, help="tokens that a window shares with the one before it (default: 0)")
    group(
        "--combine",
        choices=["mean", "max", "first"],
        help="how the answers to the windows become one; first: only the first window is read (default: mean)",
    )
    group("--window", metavar="N", type=int, help="size of a window in tokens (default: the model's limit)")


def windows(options: argparse.Namespace) -> Windows | None:
    """The windows that a command line asks for.

    Raises:
        InputError: a number is out of its range.
    """
    if options.stride is None and options.combine is None and options.window is None:
        return None
    return Windows(options.stride or 0, options.combine or "mean", options.window)
