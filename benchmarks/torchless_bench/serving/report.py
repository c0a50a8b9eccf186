"""Where results go: a table to stdout, and to serving.md and serving.jsonl of a folder."""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torchless_bench.machine import hardware, versions

HEADER = "# Serving\n\nMade by `python -m torchless_bench.serving.…`; docs/serving.md says what is measured.\n"


def add_arguments(parser: argparse.ArgumentParser, *, texts: bool = True) -> None:
    """What every script takes."""
    parser.add_argument("model", metavar="MODEL", help="a bundle folder")
    if texts:
        parser.add_argument("--texts", metavar="FILE", required=True, help="a .tsv with a column sentence or text")
    parser.add_argument("--output", metavar="FOLDER", help="also write serving.md and serving.jsonl there")


def read_texts(path: str) -> list[str]:
    """The texts of a .tsv."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    column = "sentence" if "sentence" in rows[0] else "text"
    return [row[column] for row in rows]


def publish(title: str, note: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], output: str | None) -> None:
    """Print a table; replace the section of that title in serving.md and add its rows to serving.jsonl."""
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
