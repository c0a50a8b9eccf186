"""Closing a connection whose client may still be sending."""

from __future__ import annotations

import asyncio

_LINGERS_S = 1.0


class Closing:
    """Closes in stages (RFC 9112, 9.6): our side first, and the rest once the client has closed its own.

    A system that closes a socket with bytes in it that nobody has read tells the other side that the connection is
    broken, and that side then throws away the answer that it has not read yet.

    Attributes:
        begun: what still arrives is not read by anybody.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.begun = False
        self._transport = transport
        self._timer: asyncio.TimerHandle | None = None

    @property
    def under_way(self) -> bool:
        """The connection is being closed, in stages or at once."""
        return self.begun or self._transport.is_closing()

    def begin(self) -> None:
        """Close our side, and all of it when the client does, or after a second."""
        if self.under_way:
            return
        self.begun = True
        try:
            self._transport.write_eof()
            self._transport.resume_reading()
        except (OSError, RuntimeError, NotImplementedError):
            self._transport.close()
            return
        self._timer = asyncio.get_running_loop().call_later(_LINGERS_S, self._transport.close)

    def end(self) -> None:
        """The connection is closed."""
        if self._timer is not None:
            self._timer.cancel()
