"""A bound on the bytes that large bodies and large answers take at the same time."""

from __future__ import annotations

import threading

from .errors import OverloadedError

FREE_BYTES = 65_536  # of a body or an answer; what is smaller is bounded by the number of connections


class ByteBudget:
    """Bytes that all requests together may hold. A request alone may hold more: it is bounded by its own limits.

    Attributes:
        held: bytes that are held now.
    """

    def __init__(self, limit: int) -> None:
        self.held = 0
        self._limit = limit
        self._lock = threading.Lock()

    def take(self, size: int, own: int) -> None:
        """Hold so many bytes more, for a request that holds `own` of them already.

        Raises:
            OverloadedError: there is no room for them now.
        """
        with self._lock:
            if self.held > own and self.held + size > self._limit:
                problem = f"large requests and answers take {self.held} bytes, and {size} more would pass the limit"
                raise OverloadedError(f"{problem} of {self._limit}; try again in 1 s", 1)
            self.held += size

    def give(self, size: int) -> None:
        """Hold so many bytes less."""
        with self._lock:
            self.held -= size


class Share:
    """What one request holds of a budget."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._held = 0

    def take(self, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            OverloadedError: there is no room for them now.
        """
        self._budget.take(size, self._held)
        self._held += size

    def give_all(self) -> None:
        """Hold nothing more."""
        if self._held:
            self._budget.give(self._held)
            self._held = 0
