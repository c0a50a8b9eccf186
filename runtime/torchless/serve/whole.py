"""Numbers of a server that several processes share: each process writes a row of its own, and reads all of them.

They lie in memory that forked processes have in common. A cell has one writer, and a total is read without a lock: what
must not pass a limit is noted in the own row first, then the total is compared, so two processes may refuse what one
of them could have taken, but never take too much together.
"""

from __future__ import annotations

import mmap
import time
from enum import IntEnum

_CELL_BYTES = 8
SILENT_S = 5.0  # without a heartbeat, of which there are ten per second: a process has stopped, or hangs


class Cell(IntEnum):
    """The columns."""

    STATE = 0
    CONNECTIONS = 1
    QUEUED_TOKENS = 2
    QUEUED_REQUESTS = 3
    HELD_BYTES = 4
    TOKENS_PER_S = 5
    ANSWERED_TEXTS = 6
    DROPPED_LINES = 7
    WORKERS = 8
    BUSY = 9  # workers that have something to do
    MET_S = 10  # time.monotonic() when one of them last saw another at work
    BEAT_S = 11  # its heartbeat: time.monotonic() when its event loop last wrote this row


class State(IntEnum):
    """What a process does. A row of zeros is a process that loads its models, or of one that ended."""

    LOADING = 0
    READY = 1
    HANGS = 2
    DRAINING = 3


_COLUMNS = len(Cell)
_OPENED, _REPLACED, _ENDED_TEXTS = range(3)  # cells of the row that the supervisor writes, after all others


class Whole:
    """The table of one server.

    Attributes:
        processes: how many there are.
    """

    def __init__(self, processes: int = 1) -> None:
        self.processes = processes
        self._cells = memoryview(mmap.mmap(-1, (processes + 1) * _COLUMNS * _CELL_BYTES)).cast("d")
        self._head = processes * _COLUMNS

    def row(self, place: int = 0) -> Row:
        """The row of one process."""
        return Row(self, place)

    def get(self, place: int, cell: Cell) -> float:
        """One number."""
        return self._cells[place * _COLUMNS + cell]

    def set(self, place: int, cell: Cell, value: float) -> None:
        """Write one number."""
        self._cells[place * _COLUMNS + cell] = value

    def total(self, cell: Cell) -> float:
        """The sum over all processes."""
        if self.processes == 1:
            return self._cells[cell]
        return sum(self._cells[cell : self._head : _COLUMNS])

    def column(self, cell: Cell) -> list[float]:
        """The numbers of all processes."""
        return list(self._cells[cell : self._head : _COLUMNS])

    # What the supervisor writes.

    def clear(self, place: int) -> None:
        """Forget a process that has ended, but not the texts that it answered."""
        self._cells[self._head + _ENDED_TEXTS] += self.get(place, Cell.ANSWERED_TEXTS)
        for cell in Cell:
            self.set(place, cell, 0)

    def open(self) -> None:
        """Note that all processes were ready once: one that is replaced no longer makes the server unready."""
        self._cells[self._head + _OPENED] = 1

    def count_replaced(self) -> None:
        """Count a process that ended by itself."""
        self._cells[self._head + _REPLACED] += 1

    @property
    def opened(self) -> bool:
        """All processes were ready once."""
        return bool(self._cells[self._head + _OPENED])

    @property
    def replaced(self) -> int:
        """Processes that ended by themselves."""
        return int(self._cells[self._head + _REPLACED])

    @property
    def answered_texts(self) -> int:
        """Texts that all processes have answered, ended ones included."""
        return int(self.total(Cell.ANSWERED_TEXTS) + self._cells[self._head + _ENDED_TEXTS])

    @property
    def ready(self) -> bool:
        """No process hangs or is shutting down, and all are, or were, ready."""
        states = self.column(Cell.STATE)
        if State.HANGS in states or State.DRAINING in states or self.silent:
            return False
        return self.opened or all(state == State.READY for state in states)

    @property
    def silent(self) -> bool:
        """A process that clients are connected to has stopped, or its event loop hangs: it cannot say so itself."""
        since_s = time.monotonic() - SILENT_S
        rows = zip(self.column(Cell.STATE), self.column(Cell.BEAT_S), strict=True)
        return any(state != State.LOADING and beat_s < since_s for state, beat_s in rows)


class Row:
    """What one process writes; totals are of all processes.

    Attributes:
        whole: the table.
        place: the number of the process.
    """

    def __init__(self, whole: Whole, place: int) -> None:
        self.whole = whole
        self.place = place

    def set(self, cell: Cell, value: float) -> None:
        """Write a number of this process."""
        self.whole.set(self.place, cell, value)

    def get(self, cell: Cell) -> float:
        """A number of this process."""
        return self.whole.get(self.place, cell)

    def total(self, cell: Cell) -> float:
        """The sum over all processes."""
        return self.whole.total(cell)

    def others(self, cell: Cell) -> float:
        """The sum over all processes but this one."""
        return self.whole.total(cell) - self.get(cell) if self.whole.processes > 1 else 0.0
