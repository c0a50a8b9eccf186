"""What must be the same for the rest of an interrupted run: options, files, versions and the machine."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torchless.bundle.manifest import MANIFEST

from . import hardware_and_versions
from .contenders.contender import Contender, Setup

_OPTIONS = ("task", "shape", "quick", "rounds", "device", "isa", "installed_size", "column", "pair_column")
_FILES = ("evaluate", "texts")
_DIGITS = 12  # of a sha256, enough to tell two files apart


def of(options: argparse.Namespace, contenders: Sequence[Contender], setup: Setup) -> dict[str, Any]:
    """Names and values, as a person would say what has changed."""
    return {
        **{f"--{name.replace('_', '-')}": getattr(options, name) for name in _OPTIONS},
        "--threads": setup.threads,
        "--contenders": [contender.name for contender in contenders],
        # The manifest holds the sha256 of every other file.
        "MODEL": _digest(setup.bundle / MANIFEST),
        "--against": _folder_digest(setup.checkpoint, {setup.work, Path(options.output or setup.work).resolve()}),
        **{f"--{name}": _digest(Path(file)) for name in _FILES if (file := getattr(options, name))},
        **hardware_and_versions.versions(),
        **hardware_and_versions.hardware(),
    }


def _digest(path: Path) -> str:
    """sha256 of a file; of one that cannot be read, nothing: whoever reads it says so."""
    try:
        with path.open("rb") as file:
            return "sha256 " + hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]
    except OSError:
        return "unreadable"


def _folder_digest(folder: Path, without: set[Path]) -> str:
    """sha256 of all files of a folder, but for what the run itself writes there."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not without & set(path.parents)]
    lines = "\n".join(f"{path.relative_to(folder).as_posix()} {_digest(path)}" for path in files)
    return "sha256 " + hashlib.sha256(lines.encode()).hexdigest()[:_DIGITS]
