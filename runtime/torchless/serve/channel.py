"""Questions and answers between the supervisor of a server and one of its processes, over a socket pair.

Both sides ask and answer. A message is one line of JSON; its end is the end of the process on the other side.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from torchless.errors import TorchlessError

from .errors import kind_of

Answer = Callable[[str, Any], Awaitable[Any]]
_LONGEST_LINE = 1 << 26


class PeerError(TorchlessError):
    """Another process of the server could not do what it was asked.

    Attributes:
        kind: the class of its error.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Channel:
    """One side."""

    def __init__(self, end: socket.socket, answer: Answer) -> None:
        """Nothing is read before `run`.

        Args:
            end: one end of a socket pair of streams.
            answer: answers a question; what it raises is raised where it was asked, as a `PeerError`.
        """
        self._end = end
        self._answer = answer
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._early: list[bytes] | None = []  # what is sent before the channel is open; None once it is, or has ended
        self._writer: asyncio.StreamWriter | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Read until the other side ends. What was asked and not answered then raises."""
        self._loop = asyncio.get_running_loop()
        try:
            reader, self._writer = await asyncio.open_connection(sock=self._end, limit=_LONGEST_LINE)
            early, self._early = self._early or [], None
            self._writer.writelines(early)
            while line := await reader.readline():
                self._take(msgspec.json.decode(line))
        except (OSError, ValueError):
            pass
        finally:
            self.close()

    def close(self) -> None:
        """End this side."""
        self._early = None
        if self._writer is not None:
            self._writer.close()
        self._end.close()
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(PeerError("a process of the server ended meanwhile; try again", "NotReadyError"))

    async def ask(self, what: str, given: Any = None) -> Any:
        """The answer to a question; for any event loop.

        Raises:
            PeerError: the other side raised something, or has ended.
        """
        if self._loop is not None and asyncio.get_running_loop() is not self._loop:
            elsewhere = asyncio.run_coroutine_threadsafe(self.ask(what, given), self._loop)
            return await asyncio.wrap_future(elsewhere)
        number = next(self._numbers)
        self._asked[number] = waiting = asyncio.get_running_loop().create_future()
        try:
            self._send([number, what, given])
            return await waiting
        finally:
            del self._asked[number]

    def tell(self, what: str, given: Any = None) -> None:
        """Ask without waiting for the answer; nothing where the other side has ended."""
        try:
            self._send([next(self._numbers), what, given])
        except PeerError:
            return

    def _send(self, message: Any) -> None:
        line = msgspec.json.encode(message) + b"\n"
        if self._early is not None:
            self._early.append(line)
        elif self._writer is None or self._writer.is_closing():
            raise PeerError("a process of the server has ended; try again", "NotReadyError")
        else:
            self._writer.write(line)

    def _take(self, message: Any) -> None:
        number, what, given = message
        if what not in ("answered", "failed"):
            task = asyncio.ensure_future(self._reply(number, what, given))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        waiting = self._asked.get(number)
        if waiting is None or waiting.done():
            return
        if what == "answered":
            waiting.set_result(given)
        else:
            waiting.set_exception(PeerError(*given))

    async def _reply(self, number: int, what: str, given: Any) -> None:
        try:
            message = [number, "answered", await self._answer(what, given)]
        except Exception as error:
            message = [number, "failed", [str(error), kind_of(error)]]
        try:
            self._send(message)
        except PeerError:
            return
