"""`torchless embed`."""

from __future__ import annotations

import argparse
import functools
import itertools
import json
from contextlib import ExitStack
from pathlib import Path

from torchless.bulk.formats import WRITABLE, is_table

from . import file_names, table_output, text_input, text_output
from .status_line import StatusLine
from .stdout import stdout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchless.bulk.questions import Model, Question


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    text_input.add_arguments(parser)
    parser.add_argument(
        "--pooling",
        choices=["cls", "mean", "max"],
        help="how a text's token states become one vector; cls: the first token's state (default: the bundle's)",
    )
    parser.add_argument(
        "--normalize",
        action=argparse.BooleanOptionalAction,
        help="scale every vector to length 1, or do not (default: as the bundle says)",
    )
    text_input.add_window_arguments(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=_array_or_table,
        help="FILE.npy: write one float32 array (texts, hidden size), whole or not at all; with --input a table is "
        "written with all columns of the input, see below (default, and -: JSON lines on stdout)",
    )
    table_output.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Turn texts into vectors: JSON lines on stdout, or one .npy file."""
    windows = text_input.windows(options)
    if table_output.wanted(options):
        return table_output.run(options, functools.partial(_question, options))
    file_names.refuse_other_format(options, "one array", tables=True)
    chunks = text_input.read(options)
    first = next(chunks, [])
    from torchless.encoder import Encoder

    from .array_file import array_file

    encoder = Encoder.load(options.model, **text_input.running(options))
    count = truncated = windowed = 0
    with ExitStack() as stack:
        status = stack.enter_context(StatusLine())
        if options.output:
            array = stack.enter_context(array_file(Path(options.output), encoder.manifest.hidden_size))
        for chunk in itertools.chain([first], chunks):
            if count:
                status.show(f"{count:,} texts embedded")
            answer = encoder.answer(chunk, pooling=options.pooling, normalize=options.normalize, windows=windows)
            truncated += int(answer.truncated.sum())
            windowed += int((answer.windows > 1).sum())
            if options.output:
                array.add(answer.vectors)
            else:
                status.clear()
                with stdout():
                    for row in answer.vectors:
                        print(json.dumps(row.tolist()), flush=True)
            count += len(chunk)
    text_output.report_truncated(truncated, count, options.window or encoder.manifest.max_tokens)
    text_output.report_windows(windowed, count)
    return 0


def _question(options: argparse.Namespace, model: Model) -> Question:
    """What a run that writes a table asks."""
    from torchless.bulk.embed import Embed

    windows = text_input.windows(options)
    return Embed(model, options.prefix or "", windows, options.pooling, options.normalize)


def _array_or_table(value: str) -> str | None:
    if value == "-":
        return file_names.output_name(value)
    if not is_table(value) and Path(value).suffix != ".npy":
        raise argparse.ArgumentTypeError(
            f"expected a name that ends in .npy, got {value!r}; a table's ends in one of {', '.join(WRITABLE)}"
        )
    return value
