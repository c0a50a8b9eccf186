"""uvicorn's HTTP/1.1 connection, with what RFC 9110 asks for and uvicorn leaves out.

- A request that offers an upgrade is answered as if it did not: a server may ignore the offer (section 7.8), and must
  then read the body. Java's HttpClient and `curl --http2` offer h2c with every request.
- `Expect: 100-continue` counts in HTTP/1.1 alone (10.1.1). Where its answer comes before its body was asked for, the
  connection is closed: nobody can know whether the body follows.
- A client that has closed its side for writing still reads, and gets its answers. One that has closed its connection
  altogether looks the same at first, so after a moment it is sent `100 Continue`, which any client may be sent at any
  time (15.2): a connection that is closed refuses it, and the request is dropped.
"""

from __future__ import annotations

import asyncio
import select
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STILL_THERE_S = 0.05  # most answers are there before, and no client is asked


class Http1Protocol(HttpToolsProtocol):
    """One connection."""

    _asked = False  # whether it is still there
    _asking: asyncio.TimerHandle | None = None

    # Upgrades.

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived."""
        self._unset_keepalive_if_required()
        rest = memoryview(data)  # many requests may have come at once
        try:
            while rest:
                try:
                    self.parser.feed_data(rest)
                    return
                except httptools.HttpParserUpgrade as upgrade:
                    if self.parser.get_method() == b"CONNECT":
                        self.refuse(405, b"this server is no proxy")
                        return
                    rest = rest[upgrade.args[0] :]
                    head = self._without_upgrade()
                    self.parser.feed_data(head)
        except httptools.HttpParserError:
            self.refuse(400, b"this is no HTTP request")

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the request is parsed once more."""
        if self.parser.should_upgrade():
            return
        if self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False
        super().on_headers_complete()
        if self.expect_100_continue:
            _close_unless_continued(self.cycle)

    def on_message_complete(self) -> None:
        """Note the end of the body."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _without_upgrade(self) -> bytes:
        """The head of the request that a new parser reads: the same, but without its offer."""
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = b"".join(b"%s: %s\r\n" % field for field in self.headers if field[0] != b"upgrade")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        return line + fields + b"\r\n"

    # Refusals.

    def refuse(self, status: int, problem: bytes) -> None:
        """Answer what is no request that the application could answer, and close the connection."""
        if not self.transport.is_closing():
            body = b'{"error":"%s","error_type":"Validation"}' % problem
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[status] + head + body)
            self.transport.close()

    # Clients that send no more.

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection until all requests that have arrived are answered."""
        cycle = self.cycle  # of the last request
        if cycle is None or cycle.response_complete or cycle.more_body or not hasattr(select, "poll"):
            return False
        cycle.keep_alive = False
        self._asking = self.loop.call_later(_STILL_THERE_S, self._ask)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        if self._asking is not None:
            self._asking.cancel()
        super().connection_lost(exc)

    def _ask(self) -> None:
        """End the connection if its client has left."""
        if self.transport.is_closing():
            return
        if _has_left(self.transport):
            self.transport.abort()
            return
        if not (self._asked or self.flow.write_paused or self.cycle.scope["http_version"] != "1.1"):
            self._asked = True
            self.transport.write(_CONTINUE)
        self._asking = self.loop.call_later(_STILL_THERE_S, self._ask)


def _has_left(transport: asyncio.Transport) -> bool:
    """Whether the other side has closed the connection altogether, or has refused what it was sent."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), 0)  # errors and hang-ups are always told
    return bool(poll.poll(0))


def _close_unless_continued(cycle: Any) -> None:
    send = cycle.send

    async def sending(message: Any) -> None:
        if cycle.waiting_for_100_continue:
            cycle.keep_alive = False
        await send(message)

    cycle.send = sending
