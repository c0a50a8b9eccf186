"""The options that all scripts have, and what they write: a table on stdout, serving.md and serving.jsonl."""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torchless_bench.hardware_and_versions import hardware, versions

HEADER = "# Serving\n\nMade by `python -m torchless_bench.serving.…`; docs/serving.md says what is measured.\n"


def add_arguments(parser: argparse.ArgumentParser, *, texts: bool = True) -> None:
    """Declare the options that all scripts have."""
    parser.add_argument("model", metavar="MODEL", help="a bundle: a folder")
    if texts:
        parser.add_argument(
            "--texts", metavar="FILE", required=True, help="texts to send: a .tsv with a column sentence or text"
        )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        help="folder to write serving.md and serving.jsonl to (default: a table on stdout only)",
    )


def read_texts(path: str) -> list[str]:
    """The texts of a .tsv: its column sentence, or text."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    column = "sentence" if "sentence" in rows[0] else "text"
    return [row[column] for row in rows]


def counted(counts: Mapping[Any, int]) -> str:
    """How often there was what: "200: 5, 429: 2"."""
    return ", ".join(f"{each}: {count}" for each, count in sorted(counts.items()))


def publish(title: str, note: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], output: str | None) -> None:
    """Print a table, and write it.

    Args:
        title: of the section; a section of this title in serving.md is replaced.
        note: how it was measured.
        columns: the header.
        rows: the cells; each row is also added to serving.jsonl.
        output: the folder of serving.md and serving.jsonl; None prints only.
    """
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    machine = hardware()
    where = f"{machine['cpu']}, {machine['cores']} cores, onnxruntime {versions().get('onnxruntime', '?')}."
    section = f"## {title}\n\n{note} {where}\n\n" + "\n".join(lines) + "\n"
    print(section)  # noqa: T201
    if output is None:
        return
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "serving.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else HEADER
    text = re.sub(rf"\n## {re.escape(title)}\n.*?(?=\n## |\Z)", "", text, flags=re.DOTALL)
    page.write_text(text.rstrip() + "\n\n" + section, encoding="utf-8")
    with (folder / "serving.jsonl").open("a", encoding="utf-8") as file:
        for row in rows:
            record = {"experiment": title, **dict(zip(columns, row, strict=True)), "hardware": machine}
            file.write(json.dumps({**record, "versions": versions()}) + "\n")
