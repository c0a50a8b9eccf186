"""A line on stderr that says what a run is doing, shown only on a terminal."""

from __future__ import annotations

import shutil
import sys


class StatusLine:
    """The line, which is overwritten in place."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()

    def show(self, line: str) -> None:
        """Replace the line."""
        if self._terminal:
            columns = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{line[:columns]}")
            sys.stderr.flush()

    def note(self, line: str) -> None:
        """Write a line that stays, on a terminal or not; the status line continues below it."""
        sys.stderr.write(("\r\x1b[K" if self._terminal else "") + line + "\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Remove the line."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
