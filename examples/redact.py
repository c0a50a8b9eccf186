"""Take personal data out of text: each character of a name, place, … becomes a block, so that all places stay the same.

python examples/redact.py report.txt redacted.txt --model tests/data/tiny-tagger --labels PER,LOC

The model is any bundle that labels tokens (the one above has random weights). What was taken out is written beside the
text, as JSON lines of line, start, end and label: places count characters, in the text before as in the text after.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from torchless import TokenClassifier, TorchlessError
from torchless.answers.spans import Span

LINES_AT_A_TIME = 512
BLOCK = "\N{FULL BLOCK}"


def redacted(text: str, spans: Iterable[Span]) -> str:
    """The text with a block for each character of the spans; its length stays the same."""
    characters = list(text)
    for span in spans:
        characters[span.start : span.end] = BLOCK * (span.end - span.start)
    return "".join(characters)


def redact_file(source: Path, target: Path, tagger: TokenClassifier, labels: Sequence[str] | None) -> int:
    """Write `target` and `target`.spans.jsonl from the lines of `source`, and return the number of spans."""
    count = 0
    with (
        source.open(encoding="utf-8", newline="") as before,
        target.open("w", encoding="utf-8", newline="") as after,
        target.with_name(target.name + ".spans.jsonl").open("w", encoding="utf-8") as notes,
    ):
        number = 0
        while chunk := list(islice(before, LINES_AT_A_TIME)):
            # A word is redacted whole or not at all; long lines are read in windows, to their end.
            for line, spans in zip(chunk, tagger.tag(chunk, aggregation="first"), strict=True):
                number += 1
                found = [span for span in spans if labels is None or span.label in labels]
                after.write(redacted(line, found))
                for span in found:
                    note = {"line": number, "start": span.start, "end": span.end, "label": span.label}
                    notes.write(json.dumps(note) + "\n")
                count += len(found)
    return count


def main() -> int:
    """Run the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description="Take personal data out of a text file.")
    parser.add_argument("source", type=Path, help="text file in UTF-8")
    parser.add_argument("target", type=Path, help="file to write")
    parser.add_argument("--model", default="tests/data/tiny-tagger", help="a bundle that labels tokens")
    parser.add_argument("--labels", type=lambda value: value.split(","), help="what to take out (default: every label)")
    options = parser.parse_args()
    try:
        tagger = TokenClassifier.load(options.model)
        count = redact_file(options.source, options.target, tagger, options.labels)
    except (TorchlessError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{count} parts taken out", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
