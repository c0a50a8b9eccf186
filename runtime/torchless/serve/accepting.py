"""Connections, shared out evenly among the processes that listen at one address.

All processes wake for a connection, and the kernel gives it to the first that asks. Eight connections that are kept
open would often be five and three, and the slower half decides; so a process that has more than another sends it on.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from .handover import Handover
from .whole import Cell

_FULL_S = 0.1  # no more files can be opened


class Acceptor:
    """Accepts connections of listening sockets. It has what uvicorn asks of a server.

    Attributes:
        sockets: the listening sockets.
    """

    def __init__(
        self,
        listeners: list[socket.socket],
        make: Callable[[], asyncio.Protocol],
        count: Callable[[], int],
        handover: Handover,
    ) -> None:
        """Begin.

        Args:
            listeners: sockets that do not block.
            make: makes the protocol of a connection.
            count: how many connections this process has.
            handover: to and from the other processes.
        """
        self.sockets = listeners
        self._make, self._count, self._handover = make, count, handover
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._beginning: set[asyncio.Task[object]] = set()
        self._listen()
        self._loop.add_reader(handover.fileno(), handover.take, self._begin)

    def close(self) -> None:
        """Accept no more; what other processes have sent is still taken."""
        if self._pause is not None:
            self._pause.cancel()
        for listener in self.sockets:
            self._loop.remove_reader(listener.fileno())

    async def wait_closed(self) -> None:
        """Nothing to wait for: uvicorn waits for the connections."""

    def _listen(self) -> None:
        for listener in self.sockets:
            self._loop.add_reader(listener.fileno(), self._accept, listener)

    def _rest(self) -> None:
        self.close()
        self._pause = self._loop.call_later(_FULL_S, self._listen)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionError):  # another process has it, or its client has left
            return
        except OSError:  # there are too many files
            self._rest()
            return
        self._handover.take(self._begin)  # so that its own number is right
        self._note()
        if not self._handover.away(connection):
            self._begin(connection)

    def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = asyncio.ensure_future(self._connect(connection))
        self._beginning.add(task)
        task.add_done_callback(self._begun)
        self._note()

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, connection)
        except OSError:
            connection.close()

    def _begun(self, task: asyncio.Task[object]) -> None:
        self._beginning.discard(task)
        self._note()

    def _note(self) -> None:
        self._handover.row.set(Cell.CONNECTIONS, self._count() + len(self._beginning))
