"""How connections end: no answer is lost, nothing is kept of what has ended, and nothing is written into an answer."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from torchless.serve.connection import protocol_for
from torchless.serve.settings import Settings
from torchless.serve.whole import Whole

from .conftest import Server, rest, statuses

Start = Callable[..., Server]
POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def post(server: Server, path: str, body: bytes) -> int:
    """The status, as urllib reads it: it sends `Connection: close`, and the whole body before it reads."""
    request = urllib.request.Request(server.address + path, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(("path", "status"), [("/predict", 413), ("/nowhere", 404), ("/predict?raw_scores=true", 422)])
def test_an_answer_before_the_end_of_the_body_arrives(server: Server, path: str, status: int) -> None:
    assert [post(server, path, b"x" * 5_000_000) for _ in range(20)] == [status] * 20


def test_the_last_words_to_a_client_that_still_sends_arrive_and_the_connection_ends(server: Server) -> None:
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        connection.sendall(b"nonsense\r\n" + b"x" * 500_000)
        received = b""
        while data := connection.recv(65536):  # no reset
            received += data
        assert received.startswith(b"HTTP/1.1 400 ")
        begun = time.monotonic()
        with suppress(OSError):
            while time.monotonic() - begun < 20:
                connection.sendall(b"x" * 1000)
                time.sleep(0.05)
        assert time.monotonic() - begun < 10, "it listens for a second"


class Transport(asyncio.Transport):
    """Notes what is written; the other side never closes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    resume_reading = close = pause_reading


async def wait(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
    """An application that begins an answer, and ends it only where it is asked for nothing."""
    length = 0 if scope["path"] == "/health" else 5
    headers = [(b"content-length", b"%d" % length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": length > 0})
    if length:
        await asyncio.sleep(60)


def connected() -> tuple[Any, Transport]:
    """A connection of ours, and what it writes to; for a running event loop."""
    make = protocol_for(Settings(), lambda _: None, Whole().row())
    config = uvicorn.Config(wait, lifespan="off", log_config=None)  # type: ignore[arg-type]
    connection = cast(Any, make)(config=config, server_state=ServerState(), app_state={})
    transport = Transport()
    connection.connection_made(transport)
    return connection, transport


def test_a_connection_that_broke_is_not_kept_until_its_keep_alive_ends() -> None:
    async def scenario() -> None:
        connection, transport = connected()
        connection.data_received(HEALTH)
        while not transport.written.endswith(b"\r\n\r\n"):
            await asyncio.sleep(0)
        assert connection.timeout_keep_alive_task is not None
        connection.connection_lost(ConnectionResetError())
        assert connection.timeout_keep_alive_task is None

    asyncio.run(scenario())


def test_nobody_is_asked_whether_it_is_still_there_in_the_middle_of_an_answer() -> None:
    ours, theirs = socket.socketpair()

    async def scenario() -> None:
        connection, transport = connected()
        transport.get_extra_info = lambda *_: ours  # type: ignore[method-assign, assignment]
        connection.data_received(HEALTH.replace(b"/health", b"/long"))
        while not transport.written:
            await asyncio.sleep(0)
        connection._ask()
        assert b"100 Continue" not in transport.written

    with ours, theirs:
        asyncio.run(scenario())


def test_the_headers_of_requests_that_wait_are_bounded_together(server: Server) -> None:
    slow = json.dumps({"inputs": [["never again " * 300]] * 8}).encode()
    many = b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"a:b\r\n" * 400 + b"\r\n"
    with socket.create_connection((server.host, server.port), timeout=30) as connection:
        connection.sendall(POST % len(slow) + slow + many * 20)
        found = statuses(rest(connection))
    assert found.count(200) in range(1, 6)
    assert found.count(431) == 1


def test_what_the_server_has_no_more_time_for_is_told_so(start: Start, mini: Path) -> None:
    server = start(mini, "--max-drain-s", 0.2, "--workers", 1)
    body = json.dumps({"inputs": [["never again " * 300]] * 60}).encode()
    with socket.create_connection((server.host, server.port), timeout=30) as connection:
        connection.sendall(POST % len(body) + body)
        time.sleep(0.3)
        server.begin_to_stop()
        received = rest(connection)
    assert received.startswith(b"HTTP/1.1 503 ")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error_type"] == "Unhealthy"
