"""A bound on the bytes that large bodies and large answers take at the same time."""

from __future__ import annotations

import threading

from .errors import ClientLeftError, OverloadedError
from .whole import Cell, Row, Whole

FREE_BYTES = 65_536  # of a body or an answer; what is smaller is bounded by the number of connections


class ByteBudget:
    """Bytes that all requests together may hold. A request alone may hold more: it is bounded by its own limits.

    Attributes:
        held: bytes that this process holds now.
    """

    def __init__(self, limit: int, row: Row | None = None) -> None:
        """Hold nothing.

        Args:
            limit: for all processes together.
            row: of this process; None: there is one.
        """
        self.held = 0
        self._row = row or Whole().row()
        self._limit = limit
        self._lock = threading.Lock()

    def take(self, size: int, own: int) -> None:
        """Hold so many bytes more, for a request that holds `own` of them already.

        Raises:
            OverloadedError: there is no room for them now.
        """
        with self._lock:
            self._count(size)
            held = self.total - size
            if held > own and held + size > self._limit:
                self._count(-size)
                problem = f"large requests and answers take {held} bytes, and {size} more would pass the limit"
                raise OverloadedError(f"{problem} of {self._limit}; try again in 1 s", 1)

    def give(self, size: int) -> None:
        """Hold so many bytes less."""
        with self._lock:
            self._count(-size)

    @property
    def total(self) -> int:
        """Bytes that all processes hold now."""
        return int(self._row.total(Cell.HELD_BYTES))

    def _count(self, size: int) -> None:
        self.held += size
        self._row.set(Cell.HELD_BYTES, self.held)


class Share:
    """What one request holds of a budget."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._held = 0
        self._over = False
        self._lock = threading.Lock()  # a request's work may go on for a moment after its end, in another thread

    def take(self, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            OverloadedError: there is no room for them now.
            ClientLeftError: the request is over.
        """
        with self._lock:
            if self._over:
                raise ClientLeftError
            self._budget.take(size, self._held)
            self._held += size

    def give_all(self) -> None:
        """Hold nothing more, now and later: the request is over."""
        with self._lock:
            self._over, held, self._held = True, self._held, 0
        if held:
            self._budget.give(held)
