"""A second event loop, for requests whose body or answer is large.

Decoding such a body and encoding such an answer takes longer than other requests may wait. Here only other large
requests wait for it. Its thread gives up the interpreter's lock every 5 ms, so what it runs must be made of short
calls: `json_bounds` and `encoding` see to that.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from torchless.running.memory import trim

from . import awake
from .errors import ClientLeftError
from .queued_request import call_in_loop

_GIVE_BACK_S = 0.5
T = TypeVar("T")
Watch = Callable[[Callable[[], None]], Callable[[], object]]


class Aside:
    """The loop and its thread, which begins with the first large request."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gives_back = False
        self._asked_s: float | None = None  # whether it still answers

    async def run(
        self, work: Coroutine[Any, Any, T], watch: Watch, timeout_s: float, late: Callable[[], Exception]
    ) -> T:
        """Await work in the other loop. It is cancelled if it takes too long, or its client leaves.

        Args:
            work: what to await there.
            watch: calls a function when the client leaves, and returns what ends the watch.
            timeout_s: seconds that the work may take.
            late: makes the error to raise after that.

        Raises:
            ClientLeftError: the client left.
        """
        begun: Future[T] = asyncio.run_coroutine_threadsafe(work, self._running())
        why: list[Exception] = []

        def end(make: Callable[[], Exception]) -> None:
            why.append(make())
            begun.cancel()

        stop_watching = watch(partial(end, ClientLeftError))
        timer = asyncio.get_running_loop().call_later(timeout_s, end, late)
        try:
            return await asyncio.wrap_future(begun)
        except asyncio.CancelledError:
            if why:
                raise why[0] from None
            raise
        finally:
            timer.cancel()
            stop_watching()
            if self._loop is not None:
                call_in_loop(self._loop, self._give_back_soon)

    def behind_s(self) -> float:
        """Seconds of this process for which the loop has not answered: it is asked now, if it was not before."""
        if self._loop is None:
            return 0.0
        now_s = awake.now_s()
        asked_s = self._asked_s
        if asked_s is None:
            self._asked_s = asked_s = now_s
            call_in_loop(self._loop, self._answer)
        return now_s - asked_s

    def _answer(self) -> None:
        self._asked_s = None

    def close(self) -> None:
        """End the thread; what it runs is given up."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None

    def _give_back_soon(self) -> None:
        """Give memory back to the system, once for all requests of the next moment. In the other loop."""
        if not self._gives_back:
            self._gives_back = True
            asyncio.get_running_loop().call_later(_GIVE_BACK_S, self._give_back)

    def _give_back(self) -> None:
        self._gives_back = False
        trim()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(self._loop,), name="torchless-aside", daemon=True).start()
        return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    if left := asyncio.all_tasks(loop):
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()
