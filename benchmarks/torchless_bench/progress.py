"""One line on a terminal's stderr that says what is going on; nothing anywhere else."""

from __future__ import annotations

import shutil
import sys


class Progress:
    """The line, rewritten in place."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()

    def show(self, line: str) -> None:
        """Replace the line."""
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{line[:width]}")
            sys.stderr.flush()

    def note(self, line: str) -> None:
        """Leave a line standing, on a terminal or not; the replaceable one goes on below it."""
        sys.stderr.write(("\r\x1b[K" if self._terminal else "") + line + "\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Remove the line."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
