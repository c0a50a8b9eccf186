"""A connection that asks for nothing ends, and one that asks for much takes no more memory and time than it may."""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from .conftest import Server, rest, serving, statuses

Start = Callable[..., Server]
GET = b"GET /health HTTP/1.1\r\nHost: x\r\n"
HEALTH = GET + b"\r\n"
POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
LONG = json.dumps({"inputs": [["never again " * 1200]] * 2}).encode()  # much to read, and not much to compute
MIB = 1 << 20


def connect(server: Server) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def send(connection: socket.socket, *parts: bytes) -> None:
    """Send all parts, one read of the server each."""
    for part in parts:
        connection.sendall(part)
        time.sleep(0.05)


# A connection that asks for nothing


@pytest.fixture(scope="module")
def impatient(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits for half a second."""
    limits = "--read-timeout-s 0.5 --keep-alive-s 0.5 --drain-s 0"
    with serving(tmp_path_factory.mktemp("impatient"), tiny, *limits.split()) as running:
        yield running


@pytest.mark.parametrize(
    "parts",
    [
        (b"\r\n",),
        (b"\r\n" * 3, b"\r\n"),
        (HEALTH, b"\r\n"),
        (HEALTH + b"\r\n", b"\r\n", HEALTH, b"\r\n\r\n"),
        (GET + b"Content-Length: 1\r\n\r\n", b"x"),
        (GET + b"Content-Length: 1\r\n\r\n", b"x" + HEALTH, b"\r\n"),
        (GET + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", b"0\r\n\r\n"),
        (b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", b"xx", b"\r\n"),
    ],
)
def test_a_connection_that_asks_for_nothing_more_ends(impatient: Server, parts: tuple[bytes, ...]) -> None:
    with connect(impatient) as connection:
        send(connection, *parts)
        assert len(statuses(rest(connection))) == b"".join(parts).count(b"Host:")


@pytest.mark.parametrize("first", [b"", HEALTH])
def test_empty_lines_do_not_keep_a_connection_open(impatient: Server, first: bytes) -> None:
    with connect(impatient) as connection:
        connection.sendall(first)
        with pytest.raises(ConnectionError):  # noqa: PT012  # whichever of them is the first to be refused
            for _ in range(60):
                send(connection, b"\r\n")


def test_a_body_may_still_arrive_after_its_answer(start: Start, tiny: Path) -> None:
    server = start(tiny, "--keep-alive-s", 0.2)
    with connect(server) as connection:
        send(connection, GET + b"Content-Length: 12\r\n\r\n", *[b"x"] * 12, HEALTH)
        assert statuses(rest(connection)) == [200, 200]


def test_the_time_in_which_a_request_may_arrive_begins_with_the_request(start: Start, tiny: Path) -> None:
    """Browsers and proxies connect before they have anything to ask."""
    server = start(tiny, "--read-timeout-s", 1)
    with connect(server) as connection:
        time.sleep(0.8)
        connection.sendall(POST % 18)
        time.sleep(0.6)
        connection.sendall(b'{"inputs": "good"}')
        assert connection.recv(12) == b"HTTP/1.1 200"


# What a connection may take


def test_a_body_that_nobody_reads_pays_for_no_trailers(server: Server) -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    trailers = b"".join(b"x%d: %s\r\n" % (place, b"v" * 1000) for place in range(4000))
    with connect(server) as connection:
        with suppress(OSError):  # it is closed meanwhile
            connection.sendall(GET + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 64 + b"0\r\n")
            connection.sendall(trailers + b"\r\n" + HEALTH)
            connection.shutdown(socket.SHUT_WR)
        assert len(statuses(rest(connection))) <= 1


@pytest.mark.parametrize(
    "fields",
    [b"x: " + b"v" * 17_000 + b"\r\n", b"a:\r\n" * 2000, b"a:\r\n" * 15_000],
    ids=["a large one", "many small ones", "more than the line has room for"],
)
@pytest.mark.parametrize("first", [b"", HEALTH])
def test_headers_are_bounded_though_they_come_at_once(server: Server, first: bytes, fields: bytes) -> None:
    for end in (b"\r\n", b"y: "):
        with connect(server) as connection:
            connection.sendall(first + GET + fields + end)
            assert statuses(rest(connection)) == [200] * bool(first) + [431]


def test_headers_beside_a_large_body_do_not_count_as_larger(server: Server) -> None:
    text = json.dumps({"inputs": "a" * 100_000}).encode()
    fields = b"".join(b"x-%d: y\r\n" % place for place in range(100))
    with connect(server) as connection:
        connection.sendall((POST[:-2] % len(text) + fields + b"\r\n" + text) * 3)
        connection.shutdown(socket.SHUT_WR)
        assert statuses(rest(connection).replace(b"HTTP/1.1 100 Continue", b"")) == [200] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="the most memory that a process had is read from /proc")
@pytest.mark.parametrize("before", [HEALTH, POST % 15 + b'{"inputs": "a"}'])
def test_a_body_behind_other_requests_waits_outside(start: Start, tiny: Path, before: bytes) -> None:
    server = start(tiny, "--max-body-bytes", 1000)

    def most_mib() -> float:
        status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024

    with ExitStack() as stack:
        for warm in (True, False):
            begun_mib = most_mib()
            for _ in range(4):
                connection = stack.enter_context(connect(server))
                connection.sendall(before * 99 + POST % (60 * MIB) + b"x" * (1000 if warm else 20 * MIB))
                received = b""
                while b"413 " not in received:
                    received += connection.recv(65536)
    assert most_mib() - begun_mib < 12


# The time for a request


def test_requests_that_end_in_the_next_packet_are_in_time(start: Start, tiny: Path) -> None:
    server = start(tiny, "--read-timeout-s", 0.6)
    with connect(server) as connection:
        send(connection, HEALTH[:10], *[HEALTH[10:] + HEALTH[:10]] * 30, HEALTH[10:])
        connection.shutdown(socket.SHUT_WR)
        assert statuses(rest(connection)) == [200] * 31


def test_a_request_is_not_late_while_the_server_does_not_read(start: Start, mini: Path) -> None:
    server = start(mini, "--read-timeout-s", 0.1, "--workers", 1)
    with connect(server) as connection:
        connection.sendall((POST % len(LONG) + LONG) * 12)
        connection.shutdown(socket.SHUT_WR)
        received = rest(connection).replace(b"HTTP/1.1 100 Continue", b"")
        assert statuses(received) == [200] * 12
