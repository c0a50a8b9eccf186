"""How far a run is: one line that is overwritten on a terminal, else a line per minute."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from .kept import Totals

_TERMINAL_SECONDS, _LOG_SECONDS = 0.5, 60.0


class Progress:
    """Lines on stderr."""

    def __init__(self, rows: int | None, kept: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to count.

        Args:
            rows: how many there are in all; None where that is not known.
            kept: how many an earlier run has done.
            clock: seconds.
        """
        self._rows = rows
        self._kept = kept
        self._clock = clock
        self._begun = self._shown = clock()
        self._kept_share: float | None = None
        self._terminal = sys.stderr.isatty()
        self._open = False

    def show(self, totals: Totals, tokens: int, share: float) -> None:
        """Say how far it is, if it is time to.

        Args:
            totals: of all rows so far.
            tokens: that this run has read.
            share: of the input that has been read, from 0 to 1.
        """
        now = self._clock()
        if self._kept_share is None:  # of a run that goes on, about as much as its first chunk came from
            self._kept_share = share * self._kept / max(1, totals.rows)
        if now - self._shown < (_TERMINAL_SECONDS if self._terminal else _LOG_SECONDS):
            return
        self._shown = now
        line = self._line(totals, tokens, share, now - self._begun)
        if self._terminal:
            self._open = True
            _write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
        else:
            _write(f"torchless: {line}\n")

    def _line(self, totals: Totals, tokens: int, share: float, seconds: float) -> str:
        done = totals.rows - self._kept
        of = f" of {self._rows:,}" if self._rows else f" ({share:.0%})"
        parts = [f"{totals.rows:,}{of} rows", f"{done / seconds:,.0f} rows/s"]
        if tokens:
            parts.append(f"{tokens / seconds:,.0f} tokens/s")
        if self._rows:
            left, pace = self._rows - totals.rows, done / seconds
        else:
            left, pace = 1 - share, (share - (self._kept_share or 0)) / seconds  # type: ignore[assignment]
        if pace > 0:
            parts.append(f"{clock_time(left / pace)} left")
        if totals.problems:
            parts.append(f"{totals.problems:,} errors")
        return ", ".join(parts)

    def close(self) -> None:
        """Remove the line from the terminal."""
        if self._open:
            self._open = False
            _write("\r\x1b[K")


def _write(text: str) -> None:
    with suppress(OSError):  # stderr is closed, or nobody reads it: the work goes on
        sys.stderr.write(text)
        sys.stderr.flush()


def clock_time(seconds: float) -> str:
    """A duration as 4:05 or 1:04:05."""
    minutes, left = divmod(round(max(0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
