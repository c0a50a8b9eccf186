"""Connections, shared out evenly among the processes that listen on one socket.

All processes wake for a connection, and the kernel gives it to the first that asks. Eight connections that are kept
open would often be five and three, and the slower half decides; so a process that has more than another waits a moment.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from .whole import Cell, Row

_MOMENT_S = 0.002  # after which a connection that nobody took is taken all the same
_FULL_S = 0.1  # no more files can be opened


class Acceptor:
    """Accepts connections of one listening socket. It has what uvicorn asks of a server.

    Attributes:
        sockets: the listening socket.
    """

    def __init__(
        self, listener: socket.socket, make: Callable[[], asyncio.Protocol], row: Row, count: Callable[[], int]
    ) -> None:
        """Begin.

        Args:
            listener: a socket that does not block.
            make: makes the protocol of a connection.
            row: where the number of connections is noted.
            count: how many connections this process has.
        """
        self.sockets = [listener]
        self._listener, self._make, self._row, self._count = listener, make, row, count
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._beginning: set[asyncio.Task[object]] = set()
        self._closed = False
        self._loop.add_reader(listener.fileno(), self._ready)

    def close(self) -> None:
        """Accept no more."""
        if not self._closed:
            self._closed = True
            if self._pause is not None:
                self._pause.cancel()
            else:
                self._loop.remove_reader(self._listener.fileno())

    async def wait_closed(self) -> None:
        """Nothing to wait for: uvicorn waits for the connections."""

    def _ready(self) -> None:
        self._note()
        if self._row.has_most_connections:
            self._rest(_MOMENT_S)
        else:
            self._accept()

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._pause = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener.fileno(), self._ready)
        self._accept()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):  # another process has it, or its client has left
            return
        except OSError:  # there are too many files
            self._rest(_FULL_S)
            return
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = asyncio.ensure_future(self._begin(connection))
        self._beginning.add(task)
        task.add_done_callback(self._begun)
        self._note()

    async def _begin(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, connection)
        except OSError:
            connection.close()

    def _begun(self, task: asyncio.Task[object]) -> None:
        self._beginning.discard(task)
        self._note()

    def _note(self) -> None:
        self._row.set(Cell.CONNECTIONS, self._count() + len(self._beginning))
