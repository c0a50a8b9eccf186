"""How far a run is, in a line."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from .kept import Totals


class Status(Protocol):
    """Where a run says how far it is, such as a line on stderr."""

    def show(self, line: str) -> None:
        """Replace the line."""

    def note(self, line: str) -> None:
        """Add a line that stays."""


class Silent:
    """A status that nobody reads."""

    def show(self, line: str) -> None:
        """Say nothing."""

    def note(self, line: str) -> None:
        """Say nothing."""


class Progress:
    """Rows, their pace and the time that is left."""

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
        self._begun = clock()
        self._kept_share: float | None = None

    def line(self, totals: Totals, tokens: int, share: float) -> str:
        """How far it is.

        Args:
            totals: of all rows so far.
            tokens: that this run has read.
            share: of the input that has been read, from 0 to 1.
        """
        if self._kept_share is None:  # of a run that goes on, about as much as its first chunk came from
            self._kept_share = share * self._kept / max(1, totals.rows)
        seconds = max(self._clock() - self._begun, 1e-9)
        done = totals.rows - self._kept
        rows = f"{totals.rows:,} of {self._rows:,} rows" if self._rows else f"{totals.rows:,} rows ({share:.0%})"
        parts = [rows, f"{done / seconds:,.0f} rows/s"]
        if tokens:
            parts.append(f"{tokens / seconds:,.0f} tokens/s")
        todo, pace = (self._rows - totals.rows, done) if self._rows else (1 - share, share - self._kept_share)
        if pace > 0:
            parts.append(f"{clock_time(todo * seconds / pace)} left")
        if totals.problems:
            parts.append(f"{totals.problems:,} errors")
        return ", ".join(parts)


def clock_time(seconds: float) -> str:
    """A duration as 4:05 or 1:04:05."""
    minutes, left = divmod(round(max(0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
