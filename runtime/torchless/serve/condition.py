"""A condition variable that wakes whoever went to sleep last."""

from __future__ import annotations

import threading


class LastFirst:
    """`threading.Condition` without timeouts, and last in, first out.

    The worker that ran last has the model in the caches of its core; the longest asleep, whom `threading.Condition`
    wakes, has to fetch it all again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asleep: list[threading.Lock] = []

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self) -> None:
        """Sleep until woken; the lock is free meanwhile."""
        alarm = threading.Lock()
        alarm.acquire()
        self._asleep.append(alarm)
        self._lock.release()
        alarm.acquire()
        self._lock.acquire()

    def notify(self, count: int = 1) -> None:
        """Wake so many of those that sleep."""
        for _ in range(min(count, len(self._asleep))):
            self._asleep.pop().release()

    def notify_all(self) -> None:
        """Wake all that sleep."""
        self.notify(len(self._asleep))
