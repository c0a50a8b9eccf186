"""An answer's head and body, which uvicorn writes apart, in one piece."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .closing import Closing

_INTERIM = b"HTTP/1.1 100 "


class Sender:
    """The transport as one request of a connection sees it: the head of the answer leaves with what follows it.

    That is one system call and one packet less for each answer, and one wait less for its client.
    """

    def __init__(self, transport: asyncio.Transport, closing: Closing, close: Callable[[], None]) -> None:
        """Begin.

        Args:
            transport: the connection's.
            closing: whether it is being closed in stages: nothing can be written then.
            close: closes the connection after what was written.
        """
        self._transport = transport
        self._closing = closing
        self._close = close
        self._begun = False
        self._head = b""

    def write(self, data: bytes) -> None:
        """Write, or keep the head."""
        if self._closing.begun:
            return
        if self._begun:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(_INTERIM):
            self._transport.write(data)
        else:
            self._begun, self._head = True, data

    def flush(self) -> None:
        """Write a head that nothing follows."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Close the connection after what was written."""
        self.flush()
        self._close()

    def is_closing(self) -> bool:
        """Whether it is being closed."""
        return self._closing.under_way
