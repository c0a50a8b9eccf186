"""`torchless tag`."""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import sys

from . import file_names, text_input, text_output
from .status_line import StatusLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torchless.answers.spans import Span, TaggedText

    Form = Callable[[str, TaggedText], str]

_COLOURS = (36, 33, 35, 32, 34, 31)  # of a terminal: cyan, yellow, magenta, green, blue, red
_BLANKS = str.maketrans("\n\r\t", "   ")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    text_input.add_model_argument(parser)
    text_input.add_text_arguments(parser, "TEXT", "text")
    text_input.add_running_arguments(parser)
    parser.add_argument(
        "--aggregation",
        choices=["none", "simple", "first", "average", "max"],
        default="simple",
        help="how tokens become spans; none: each is one; simple: neighbours with the same label are one; first, "
        "average, max: the tokens of a word agree first (default: simple)",
    )
    parser.add_argument(
        "--ignore-labels", metavar="A,B,…", default="O", help="labels of spans to leave out (default: O)"
    )
    parser.add_argument(
        "--stride",
        metavar="N",
        type=int,
        help="tokens that a window of a long text shares with the one before it (default: a quarter of a window)",
    )
    parser.add_argument(
        "--truncate", action="store_true", help="cut long texts (default: they are read in windows that overlap)"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object per text (default: the text, its spans in colour on a terminal, else in brackets)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=file_names.output_name,
        help="file to write, whole or not at all: .txt, or with --json .jsonl (default, and -: stdout)",
    )


def run(options: argparse.Namespace) -> int:
    """Tag texts, chunk by chunk."""
    from torchless.token_classifier import TokenClassifier

    if options.truncate and options.stride is not None:
        options.wrong_usage("expected --stride or --truncate, not both")
    file_names.refuse_other_format(options, "JSON lines" if options.json else "text", tables=False)
    chunks = text_input.read(options)
    first = next(chunks, [])  # an error in the input is reported before the model is loaded
    tagger = TokenClassifier.load(options.model, **text_input.running(options))
    answer = functools.partial(
        tagger.answer,
        aggregation=options.aggregation,
        ignore_labels=[label.strip() for label in options.ignore_labels.split(",")],
        stride=options.stride,
        truncate=options.truncate,
    )
    form = _json if options.json else _form(tagger.labels, coloured=options.output is None and _has_colours())
    count = truncated = windowed = 0
    with text_output.text_output(options.output) as write, StatusLine() as status:
        for chunk in itertools.chain([first], chunks):
            if count:
                status.show(f"{count:,} texts tagged")
            texts = [str(text) for text in chunk]
            answers = answer(texts)
            status.clear()
            write("".join(map(form, texts, answers)))
            truncated += sum(tagged.truncated for tagged in answers)
            windowed += sum(tagged.windows > 1 for tagged in answers)
            count += len(chunk)
    text_output.report_truncated(truncated, count, tagger.manifest.max_tokens)
    text_output.report_windows(windowed, count)
    return 0


def _has_colours() -> bool:
    """Whether stdout is a terminal that shows colours, and nobody said no (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _json(text: str, tagged: TaggedText) -> str:
    spans = [
        {"label": span.label, "score": span.score, "start": span.start, "end": span.end, "word": span.word}
        for span in tagged.spans
    ]
    fields = {"text": text, "spans": spans, "truncated": tagged.truncated, "windows": tagged.windows}
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _form(labels: Sequence[str], *, coloured: bool) -> Form:
    """How a text is shown, with each of its spans in the colour of its label, or in brackets."""
    kinds = list(dict.fromkeys(label.removeprefix("B-").removeprefix("I-") for label in labels))
    colours = {kind: _COLOURS[place % len(_COLOURS)] for place, kind in enumerate(kinds)}

    def mark(span: Span, text: str) -> str:
        label = text_output.visible(span.label)
        if not coloured:
            return f"[{label} {text}]"
        colour = colours.get(span.label.removeprefix("B-").removeprefix("I-"), _COLOURS[0])
        return f"\x1b[1;{colour}m{text}\x1b[0;2m {label}\x1b[0m"

    return lambda text, tagged: "".join(_marked(text, tagged.spans, mark)) + "\n"


def _marked(text: str, spans: Sequence[Span], mark: Callable[[Span, str], str]) -> Iterator[str]:
    """The text on one line, piece by piece; of spans that overlap, as tokens of one character can, the first shows."""
    place = 0
    for span in spans:
        if span.start < place:
            continue
        yield _line(text[place : span.start])
        yield mark(span, _line(text[span.start : span.end]))
        place = span.end
    yield _line(text[place:])


def _line(text: str) -> str:
    return text_output.visible(text.translate(_BLANKS))
