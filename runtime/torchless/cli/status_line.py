"""What a long command is doing, on stderr: one line that is overwritten on a terminal, elsewhere a line per minute."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable

from torchless.running.threads import started

from . import stderr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

EVERY_S = 60.0  # seconds between two lines where stderr is not a terminal


class StatusLine:
    """The newest line, shown while a `with` block runs.

    On a terminal each line replaces the one before. Elsewhere a thread writes the newest one each minute, with the
    minutes since the start: work that is done within a minute says nothing, and a step of an hour is not silent.
    """

    def __init__(self, *, at_once: bool = False, keep: bool = False, ending: Callable[[], str] = str) -> None:
        """Say nothing yet.

        Args:
            at_once: where stderr is not a terminal, write the first line at once, too.
            keep: on a terminal, leave every line where it is and begin a new one.
            ending: makes what ends each line, such as the time left; called whenever a line is written.
        """
        self._terminal = sys.stderr.isatty()
        self._at_once, self._keep, self._ending = at_once, keep, ending
        self._line = ""
        self._begun_s = time.monotonic()
        self._over = threading.Event()

    def show(self, line: str) -> None:
        """Say what is being done now."""
        first, self._line = not self._line, line
        if self._terminal:
            self._show_on_terminal()
        elif first and self._at_once:
            self._write_minute()

    def note(self, line: str) -> None:
        """Write a line that stays, on a terminal or not."""
        self.clear()
        stderr.write(line + "\n")

    def clear(self) -> None:
        """Remove the line from a terminal."""
        if self._terminal and self._line and not self._keep:
            stderr.write("\r\x1b[K")

    def __enter__(self) -> Self:
        if not self._terminal:
            started(self._each_minute, "torchless-status", daemon=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.clear()

    def _show_on_terminal(self) -> None:
        line = self._line + self._ending()
        columns = shutil.get_terminal_size().columns - 1
        stderr.write(f"{line}\n" if self._keep else f"\r\x1b[K{line[:columns]}")

    def _each_minute(self) -> None:
        while not self._over.wait(EVERY_S):
            if self._line:
                self._write_minute()

    def _write_minute(self) -> None:
        minutes = int((time.monotonic() - self._begun_s) / 60)
        stderr.write(f"[{minutes} min] {self._line}{self._ending()}\n")
