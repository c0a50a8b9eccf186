"""A line on stderr that says what a run is doing: overwritten in place on a terminal, else one per minute."""

from __future__ import annotations

import shutil
import sys
import time

_LOG_SECONDS = 60.0


class StatusLine:
    """The line."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._logged = time.monotonic()

    def show(self, line: str) -> None:
        """Replace the line; where stderr is no terminal, write one if the last is a minute old."""
        if self._terminal:
            columns = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{line[:columns]}")
            sys.stderr.flush()
        elif time.monotonic() - self._logged >= _LOG_SECONDS:
            self._logged = time.monotonic()
            sys.stderr.write(line + "\n")
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
