"""Label a CSV file: the same rows with the columns label, score and truncated added, in bounded memory.

python examples/label_csv.py reviews.csv labelled.csv --model models/sst2-mini --column text
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from torchless import Classifier, TorchlessError

ROWS_AT_A_TIME = 2048  # what is held in memory; enough to keep all cores busy


def label_file(source: Path, target: Path, classifier: Classifier, column: str) -> int:
    """Write `target` from `source`, and return the number of rows. `target` appears whole or not at all."""
    unfinished = target.with_name(target.name + ".part")
    count = 0
    try:
        with (
            source.open(encoding="utf-8-sig", newline="") as before,
            unfinished.open("w", encoding="utf-8", newline="") as after,
        ):
            reader = csv.DictReader(before, strict=True)
            writer = csv.DictWriter(after, [*(reader.fieldnames or []), "label", "score", "truncated"])
            writer.writeheader()
            for row in labelled(checked(reader, source, column), classifier, column):
                writer.writerow(row)
                count += 1
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def checked(reader: csv.DictReader[str], source: Path, column: str) -> Iterator[dict[str, str]]:
    """The rows, or a ValueError that says which line is not as the header says."""
    names = reader.fieldnames or []
    if column not in names:
        raise ValueError(f"{source} has no column {column!r}, it has: {', '.join(names)}")
    if taken := sorted({"label", "score", "truncated"} & set(names)):
        raise ValueError(f"{source} has a column {taken[0]!r} already, which would be lost. Rename it first.")
    for row in reader:
        if None in row or None in row.values():
            raise ValueError(f"{source}, line {reader.line_num}: expected {len(names)} values, as in the header")
        yield row


def labelled(rows: Iterator[dict[str, str]], classifier: Classifier, column: str) -> Iterator[dict[str, object]]:
    """Each row with its label, its score, and whether the text was too long to be read to its end."""
    while chunk := list(islice(rows, ROWS_AT_A_TIME)):
        predictions = classifier.predict([row[column] for row in chunk])
        for row, best in zip(chunk, predictions, strict=True):
            yield {**row, "label": best.label, "score": f"{best.score:.4f}", "truncated": best.truncated}


def main() -> int:
    """Read the command line; 0 when all rows were labelled, 1 when nothing was written."""
    parser = argparse.ArgumentParser(description="Add the columns label, score and truncated to a CSV file.")
    parser.add_argument("source", type=Path, help="CSV file to read: UTF-8, with a header")
    parser.add_argument("target", type=Path, help="CSV file to write, once every row has its label")
    parser.add_argument("--model", default="models/sst2-mini", help="bundle (default: models/sst2-mini)")
    parser.add_argument("--column", default="text", help="column that holds the texts (default: text)")
    options = parser.parse_args()
    try:
        count = label_file(options.source, options.target, Classifier.load(options.model), options.column)
    except (TorchlessError, OSError, ValueError, csv.Error) as error:
        print(f"label_csv: {error}", file=sys.stderr)
        return 1
    print(f"{count} rows written to {options.target}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
