"""A condition variable that wakes the thread that began to wait last."""

from __future__ import annotations

import threading


class LastFirst:
    """`threading.Condition` without timeouts, and last in, first out.

    The worker that ran last has the model in the caches of its core. `threading.Condition` wakes the one that
    began to wait first, and lone requests one after another then take 7 % longer (docs/decisions/0050).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[threading.Lock] = []

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self) -> None:
        """Release the lock, wait until notified, and take the lock again."""
        alarm = threading.Lock()
        alarm.acquire()
        self._waiting.append(alarm)
        self._lock.release()
        alarm.acquire()
        self._lock.acquire()

    def notify(self, count: int = 1) -> None:
        """Wake at most so many waiting threads."""
        for _ in range(min(count, len(self._waiting))):
            self._waiting.pop().release()

    def notify_all(self) -> None:
        """Wake all waiting threads."""
        self.notify(len(self._waiting))
