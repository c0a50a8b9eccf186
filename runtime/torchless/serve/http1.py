"""uvicorn's HTTP/1.1 connection, with what RFC 9110 asks for and uvicorn leaves out.

- A request that offers an upgrade is answered as if it did not: a server may ignore the offer (section 7.8), and must
  then read the body. Java's HttpClient and `curl --http2` offer h2c with every request.
- `Expect: 100-continue` counts in HTTP/1.1 alone (10.1.1). Where its answer comes before its body was asked for, the
  connection is closed: nobody can know whether the body follows.
- A client that has closed its side for writing still reads, and gets its answers. One that has closed its connection
  altogether looks the same at first, so after a moment it is sent `100 Continue`, which any client may be sent at any
  time (15.2): a connection that is closed refuses it, and the request is dropped.
- A request names one host (RFC 9112, 3.2), and the trailers of a body are no headers (RFC 9110, 6.5.1).
- What is no request is refused after the answers to the requests before it, and a request is answered once.
- A URL without a path means `/` (RFC 9110, 4.2.3), `OPTIONS *` asks about the server (RFC 9112, 3.2.4), and other
  versions than HTTP/1.0 and HTTP/1.1 are refused: with 400, because 5xx stands for faults of the server's own.
- A connection is closed in stages where its client may still be sending (RFC 9112, 9.6): see `closing.py`.
- While requests wait for their answers, no more is read: uvicorn reads on with every answer, and keeps what it reads.
"""

from __future__ import annotations

import asyncio
import re
import select
from collections import deque
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from .closing import Closing
from .sender import Sender

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STILL_THERE_S = 0.05  # most answers are there before, and no client is asked
_MOST_FIELDS = 2_000  # of all requests that wait together
_METHODS = b"GET, HEAD, OPTIONS, POST"  # of the server as a whole
_HOST = re.compile(rb"(\[[\w.:%~-]+\]|[\w.~%!$&'()*+,;=-]*)(:\d*)?", re.ASCII)  # RFC 3986, 3.2.2


class RefusedError(Exception):
    """What the parser's callbacks raise to refuse a request; its text is what the client is told."""

    def __init__(self, problem: str, status: int = 400) -> None:
        super().__init__(problem)
        self.status = status


class _Trailers(list[tuple[bytes, bytes]]):
    """Where the fields after a body go: nowhere."""

    def append(self, field: tuple[bytes, bytes], /) -> None:
        pass


class _Flow(FlowControl):
    """Reads no more while requests wait, whoever asks for it: a read may be 256 KiB, which would wait with them."""

    def __init__(self, transport: asyncio.Transport, waiting: deque[Any]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if self.read_paused and not self._waiting:
            super().resume_reading()


_TRAILERS = _Trailers()


class Http1Protocol(HttpToolsProtocol):
    """One connection."""

    _asked = False  # whether it is still there
    _asking: asyncio.TimerHandle | None = None
    _in_body = False  # the head of a request is there, its body is not
    _last_words: bytes | None = None  # the refusal that follows the answers to earlier requests

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unanswered: deque[Any] = deque()  # cycles; the first is being answered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self.closing = Closing(transport)

    # Requests.

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived."""
        if self._last_words is not None:
            return
        rest: bytes | memoryview = data
        try:
            while rest:
                try:
                    self.parser.feed_data(rest)
                    return
                except httptools.HttpParserUpgrade as upgrade:
                    rest = memoryview(rest)[upgrade.args[0] :]  # many requests may have come at once
                if self.parser.get_method() == b"CONNECT":
                    self.refuse(405, b"this server is no proxy", b"allow: " + _METHODS + b"\r\n")
                    return
                head = self._without_upgrade()
                self.parser.feed_data(head)
        except httptools.HttpParserError as error:
            why = error.__context__
            if isinstance(why, RefusedError):
                self.refuse(why.status, str(why).encode())
            else:
                self.refuse(400, b"this is no HTTP request")

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the request is parsed once more."""
        if self.parser.should_upgrade():
            return
        version = self.parser.get_http_version()
        if version != "1.1":
            if version != "1.0":
                raise RefusedError(f"expected HTTP/1.1, got HTTP/{version}")
            self.expect_100_continue = False
        _check_host(self.headers, optional=version == "1.0")
        if sum(len(cycle.scope["headers"]) for cycle in self._unanswered) + len(self.headers) > _MOST_FIELDS:
            raise RefusedError(f"expected at most {_MOST_FIELDS} header fields of requests without an answer", 431)
        if self.url.startswith(b"/"):
            super().on_headers_complete()
        else:
            self._begin_other_target()
        self.cycle.transport = Sender(self.transport, self.closing, self._close)  # type: ignore[assignment]
        self._in_body = True
        self._unanswered.append(self.cycle)
        self.headers = _TRAILERS  # the scope keeps its list
        if self.expect_100_continue:
            _close_unless_continued(self.cycle)

    def on_message_complete(self) -> None:
        """Note the end of the body."""
        if not self.parser.should_upgrade():
            self._in_body = False
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, or say the last words."""
        answered = self._unanswered.popleft()
        answered.transport.flush()
        answered.body = bytearray()  # the answer may not have waited for it
        if self.closing.begun:
            return
        super().on_response_complete()
        if self.flow.read_paused and len(self.cycle.body) <= HIGH_WATER_LIMIT:
            self.flow.resume_reading()
        if self._last_words is not None and not self._unanswered:
            self._say_last_words()

    def _begin_other_target(self) -> None:
        """Begin to answer a request for a URL, or for `*`."""
        app, path, query = self.app, *_path_and_query(self.url)
        options = self.parser.get_method() == b"OPTIONS"
        if options and (self.url == b"*" or not (path or query)):
            self.url, self.app = b"*", self._tell_methods
        elif not path:
            self.url = b"/?" + query if query else b"/"
        try:
            super().on_headers_complete()
        finally:
            self.app = app

    async def _tell_methods(self, _scope: object, _receive: object, send: Any) -> None:
        self.count(204)
        await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", _METHODS)]})
        await send({"type": "http.response.body"})

    def _without_upgrade(self) -> bytes:
        """The head of the request that a new parser reads: the same, but without its offer."""
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = b"".join(b"%s: %s\r\n" % field for field in self.headers if field[0] != b"upgrade")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        return line + fields + b"\r\n"

    # Refusals.

    def refuse(self, status: int, problem: bytes, headers: bytes = b"") -> None:
        """Answer what is no request that the application could answer, and close the connection.

        Requests before it get their answers first. Where its own answer has begun, it gets no second one.
        """
        if self.transport.is_closing() or self._last_words is not None:
            return
        if self._in_body and self.cycle.response_started:
            self.closing.begin()
            return
        body = b'{"error":"%s","error_type":"Validation"}' % problem
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
        self._last_words = STATUS_LINE[status] + head + headers + b"\r\n" + body
        self.count(status)
        if not self._others_wait():
            self._say_last_words()

    def count(self, status: int) -> None:
        """Note that the connection answered something itself."""

    def _others_wait(self) -> bool:
        """Whether there are requests to answer; one whose body is not there is given up."""
        if self._in_body and len(self._unanswered) > 1:
            self._unanswered.pop()
            self.pipeline.popleft()
            self._in_body = False
        return bool(self._unanswered) and not self._in_body

    def _say_last_words(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self._last_words or b"")
            self.closing.begin()
            if self._in_body:  # nobody waits for the rest any more
                self.cycle.disconnected = True
                self.cycle.message_event.set()

    def _close(self) -> None:
        """Close the connection; of a request whose body is still arriving the answer must not be lost."""
        if self._in_body:
            self.closing.begin()
        else:
            self.transport.close()

    # Clients that send no more.

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection until all requests that have arrived are answered."""
        if self.closing.begun or not (hasattr(select, "poll") and self._others_wait()):
            return False
        if self._last_words is None:
            self._unanswered[-1].keep_alive = False
        self._asking = self.loop.call_later(_STILL_THERE_S, self._ask)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        self.closing.end()
        self._unset_keepalive_if_required()  # uvicorn does not after an error, and the timer would keep all of it
        if self._asking is not None:
            self._asking.cancel()
        for cycle in self._unanswered:
            cycle.disconnected = True
        super().connection_lost(exc)
        self.headers, self.scope = _TRAILERS, {}  # type: ignore[typeddict-item]  # not only once garbage is collected

    def _ask(self) -> None:
        """End the connection if its client has left."""
        if self.closing.under_way:
            return
        if _has_left(self.transport):
            self.transport.abort()
            return
        begun = not self._unanswered or self._unanswered[0].response_started  # then it would be read as a part of it
        if not (self._asked or begun or self.cycle.scope["http_version"] != "1.1"):
            self._asked = True
            self.transport.write(_CONTINUE)
        self._asking = self.loop.call_later(_STILL_THERE_S, self._ask)


def _path_and_query(url: bytes) -> tuple[bytes | None, bytes | None]:
    parsed = httptools.parse_url(url)
    return parsed.path, parsed.query


def _check_host(headers: list[tuple[bytes, bytes]], *, optional: bool) -> None:
    hosts = [value for name, value in headers if name == b"host"]
    if not ((optional and not hosts) or (len(hosts) == 1 and _HOST.fullmatch(hosts[0]))):
        raise RefusedError("expected one header Host, as HOST or HOST:PORT")


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
