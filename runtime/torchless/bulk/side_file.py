"""The rows that could not be answered, in a file beside the output."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torchless.atomic_files import replacing

_LONGEST_LINE = 1 << 20


def side_file_of(output: Path) -> Path:
    """Where the rows without an answer are listed."""
    return output.with_name(output.name + ".errors.jsonl")


def is_one(path: Path) -> bool:
    """Whether a file is such a list, by its first line."""
    try:
        with path.open("rb") as file:
            first = json.loads(file.readline(_LONGEST_LINE))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(first, dict) and {"row", "file", "reason"} <= first.keys()


def write(path: Path, problems: Iterable[dict[str, Any]]) -> None:
    """One JSON object per row: its number from 1, its file, the line it ends on, the reason, and how it begins.

    Raises:
        OutputError: the disk is full.
    """
    with replacing(path) as file:
        for problem in problems:
            file.write(json.dumps(problem, ensure_ascii=False).encode(errors="replace") + b"\n")
