"""uvicorn's HTTP/1.1 connection, with limits on headers, on the time to send a request and on that to read its answer.

uvicorn alone waits for ever for the rest of a request, keeps headers of any size, and keeps an answer that its client
does not read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from .call import ON_DISCONNECT
from .http1 import Http1Protocol, RefusedError
from .settings import Settings
from .unread import Unread
from .whole import Cell, Row

_TOO_MANY = STATUS_LINE[503] + (
    b"content-type: application/json\r\ncontent-length: 68\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
    b'{"error":"too many connections; try again","error_type":"Unhealthy"}'
)
_MOST_PIPELINED = 100  # requests that a client sends before it has an answer; more could arrive in one packet
_PER_BODY_BYTE = 8  # itself, and what stands around a part of one byte
_PER_FIELD = 32  # what a header counts beside its name and value, as in RFC 9113, 6.5.2: small ones take memory, too
_TOO_LARGE = "request line and headers are too large"


def protocol_for(settings: Settings, on_answer: Callable[[int], None], own: Row) -> Callable[..., asyncio.Protocol]:
    """The connection class for a server's limits.

    Args:
        settings: the limits.
        on_answer: is told the status of what the connection answers itself, most of which never was a request.
        own: where this process notes its connections; the limit on them is for all processes.
    """

    class Connection(_BoundedConnection):
        read_timeout_s = settings.read_timeout_s
        answer_timeout_s = settings.request_timeout_s
        max_connections = settings.max_connections
        max_header_bytes = settings.max_header_bytes
        row = own

        def count(self, status: int) -> None:
            on_answer(status)

    return Connection


class _BoundedConnection(Http1Protocol):
    read_timeout_s: float
    answer_timeout_s: float
    max_connections: int
    max_header_bytes: int
    row: Row

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._receiving = False  # between the first byte of a request and its last
        self._header_bytes = 0  # of the request that is arriving, its body left out
        self._arrived_bytes = 0  # since no request was arriving: at least the size of this one's head
        self._deadline: asyncio.TimerHandle | None = None
        self._to_tell: set[Callable[[], None]] = set()  # when the client leaves

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._unread = Unread(transport, self.read_timeout_s, self.answer_timeout_s)
        self._start_timer()
        if len(self.connections) + self.row.others(Cell.CONNECTIONS) > self.max_connections:
            self.count(503)
            transport.write(_TOO_MANY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._unread.end()
        super().connection_lost(exc)
        self.row.set(Cell.CONNECTIONS, len(self.connections))
        for tell in list(self._to_tell):
            tell()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread.begin()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread.moved()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._receiving:  # it is not idle, and has the time for a request
            self._unset_keepalive_if_required()
        self._unread.next_answer()
        if self.closing.under_way:  # it closes once all is read
            self._unread.begin()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        super().shutdown()
        self._unread.begin()

    def data_received(self, data: bytes) -> None:
        if self.closing.begun:
            return
        size = len(data)
        self._header_bytes += size
        self._arrived_bytes = self._arrived_bytes + size if self._receiving else size
        super().data_received(data)
        if self._header_bytes > self.max_header_bytes or (self._receiving and self._head_is_too_large()):
            self._end(431, _TOO_LARGE.encode())
        elif self._receiving and self._deadline is None:
            self._start_timer()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _MOST_PIPELINED:
            raise RefusedError(f"expected an answer to be read before more than {_MOST_PIPELINED} requests wait for it")
        super().on_message_begin()
        self._unset_keepalive_if_required()  # here, because empty lines between requests do not extend it
        self.scope["extensions"] = {ON_DISCONNECT: self._on_disconnect}  # type: ignore[dict-item]
        self._receiving = True
        self._stop_timer()  # a new connection has its time to begin, and then that of a request

    def on_headers_complete(self) -> None:
        if self._head_is_too_large():
            raise RefusedError(_TOO_LARGE, 431)
        super().on_headers_complete()
        self._header_bytes = 0  # from here on, of what stands around the parts of a body, and after it

    def on_body(self, body: bytes) -> None:
        super().on_body(body)  # it has a limit of its own
        self._header_bytes = max(0, self._header_bytes - _PER_BODY_BYTE * len(body))

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._receiving = False
        self._header_bytes = 0
        self._stop_timer()
        if not (self._unanswered or self.transport.is_closing()):  # the answer was there before
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _head_is_too_large(self) -> bool:
        fields = self.headers  # none once the head is complete
        if self._arrived_bytes + _PER_FIELD * len(fields) <= self.max_header_bytes:
            return False
        size = len(self.url) + sum(len(name) + len(value) + _PER_FIELD for name, value in fields)
        return size > self.max_header_bytes

    def _on_disconnect(self, tell: Callable[[], None]) -> Callable[[], None]:
        if self.transport is None or self.transport.is_closing():
            tell()
        self._to_tell.add(tell)
        return lambda: self._to_tell.discard(tell)

    def _start_timer(self) -> None:
        self._deadline = self.loop.call_later(self.read_timeout_s, self._late)

    def _late(self) -> None:
        if self.flow.read_paused:  # it is our answers to earlier requests that are late
            self._start_timer()
        else:
            self._end(408, b"the request did not arrive in time")

    def _stop_timer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self, status: int, problem: bytes) -> None:
        """Refuse the request unless its answer has begun, and close the connection."""
        self._stop_timer()
        if self.transport is None or self.closing.under_way:
            return
        if self._receiving:
            self.refuse(status, problem)
        else:
            self.transport.close()
        self._unread.begin()
