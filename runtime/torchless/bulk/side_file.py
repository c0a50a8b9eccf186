"""The rows that could not be answered, in a file beside the output."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torchless.atomic_files import replacing


def side_file_of(output: Path) -> Path:
    """Where the rows without an answer are listed."""
    return output.with_name(output.name + ".errors.jsonl")


def write(path: Path, problems: Iterable[dict[str, Any]]) -> None:
    """One JSON object per row: its number from 1, its file, the line it ends on, the reason, and how it begins.

    Raises:
        OutputError: the disk is full.
    """
    with replacing(path) as file:
        for problem in problems:
            file.write(json.dumps(problem, ensure_ascii=False).encode(errors="replace") + b"\n")
