"""Lines on stderr, which are no part of the work: where nobody can read them it goes on, and succeeds."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def write(text: str) -> None:
    """Write at once; nothing happens where stderr is closed or its disk is full."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def say(line: str) -> None:
    """Write a line that says who says it."""
    write(f"torchless: {line}\n")


def drop_unwritten() -> None:
    """Forget what could not be written: Python, which tries again when it ends, would end with exit code 120."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
