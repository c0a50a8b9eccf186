"""How long a client may leave its answer unread."""

from __future__ import annotations

import asyncio


class Unread:
    """Ends a connection whose client takes nothing for some time, or takes too long in all.

    It costs nothing while clients read: it begins where the transport says that it holds more than it should.
    """

    def __init__(self, transport: asyncio.Transport, still_s: float, most_s: float) -> None:
        """Watch nothing yet.

        Args:
            transport: the connection.
            still_s: seconds in which a client must take some bytes.
            most_s: seconds in which it must take an answer.
        """
        self._transport = transport
        self._still_s, self._most_s = still_s, most_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._size = 0  # bytes that waited when it last looked
        self._moved = False  # since then, the client took most of what waited
        self._since_s = 0.0

    def begin(self) -> None:
        """Watch until all that waits is taken."""
        if self._timer is None:
            self._since_s = self._loop.time()
            self._wait()

    def moved(self) -> None:
        """Note that the client took most of what waited."""
        self._moved = True

    def next_answer(self) -> None:
        """Note that an answer was written whole: the time for the next one begins."""
        if self._timer is not None:
            self._since_s = self._loop.time()

    def end(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._moved, self._size = False, self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(min(self._still_s, self._most_s), self._look)

    def _look(self) -> None:
        self._timer = None
        size = self._transport.get_write_buffer_size()
        late = self._loop.time() - self._since_s > self._most_s
        if size and (late or not (self._moved or size < self._size)):
            self._transport.abort()
        elif size:
            self._wait()
