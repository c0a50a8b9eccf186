"""Reloads that wait for one another, which share one thread; and the first half of a reload of several processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar

from .daemon import in_daemon
from .errors import as_error

T = TypeVar("T")


class Reloads(Generic[T]):
    """Runs `work(name)` in daemon threads, one at a time; for any event loop.

    All that are asked for before one begins share it.
    """

    def __init__(self, work: Callable[[str | None], T]) -> None:
        self._work = work
        self._waiting: dict[str | None, Future[T]] = {}  # by name; not begun
        self._lock = threading.Lock()  # guards `_waiting`
        self._running = threading.Lock()

    async def run(self, name: str | None) -> T:
        """What `work(name)` returns that begins from now on; raises what it raises."""
        with self._lock:
            result = self._waiting.get(name)
            if result is None:
                result = self._waiting[name] = Future()
                threading.Thread(target=partial(self._run, name, result), name="torchless-load", daemon=True).start()
        return await asyncio.shield(asyncio.wrap_future(result))

    def _run(self, name: str | None, result: Future[T]) -> None:
        with self._running:
            with self._lock:
                del self._waiting[name]
            try:
                done = self._work(name)
            except BaseException as error:  # a panic in Rust too: whoever waits must be told
                result.set_exception(as_error(error))
            else:
                result.set_result(done)


class Prepared(Generic[T]):
    """What the first half of a reload has made, until the second half takes it. For one event loop."""

    def __init__(self) -> None:
        self._made: T | None = None
        self._making: object = None

    async def make(self, work: Callable[[], T]) -> T:
        """What work returns, in a daemon thread; it is kept unless it was given up meanwhile."""
        self._made, self._making = None, (mine := object())
        made = await in_daemon(work)
        if self._making is mine:
            self._made = made
        return made

    def take(self) -> T | None:
        """What was made, which is then gone; what is still being made is given up."""
        made, self._made, self._making = self._made, None, None
        return made
