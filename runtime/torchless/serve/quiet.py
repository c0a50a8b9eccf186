"""Whether a worker is, and has for a while been, the only one of the server with something to do."""

from __future__ import annotations

import time

from .whole import Cell, Row

_QUIET_S = 1.0  # shorter, and requests that arrive at random would too often meet on the same CPUs (decision 0073)


class Quiet:
    """Which workers of a queue are idle; its lock guards every method.

    Attributes:
        idle: workers of this process that wait.
    """

    def __init__(self, row: Row, workers: int) -> None:
        """No worker waits yet; `row` tells other processes how many work."""
        self.idle = 0
        self._row = row
        self._workers = workers

    def rest(self) -> None:
        """A worker has begun to wait."""
        self._note(1)

    def work(self) -> None:
        """A worker no longer waits."""
        self._note(-1)
        self.look()

    def _note(self, more: int) -> None:
        self.idle += more
        self._row.set(Cell.BUSY, self._workers - self.idle)

    def look(self, *, waits: bool = False) -> bool:
        """Whether the worker that asks has no company; `waits`: there is work for others too."""
        now_s = time.monotonic()  # the same for all processes
        if waits or self._workers - self.idle + self._row.others(Cell.BUSY) > 1:
            self._row.set(Cell.MET_S, now_s)
        return now_s - max(self._row.whole.column(Cell.MET_S)) > _QUIET_S
