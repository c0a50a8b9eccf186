"""HTTP/1.1 as RFC 9110 has it: upgrades, expectations, and clients that stop sending but still read."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Server

BODY = json.dumps({"inputs": "What a delight"}).encode()
POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\nUpgrade: h2c\r\n"
WEBSOCKET = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
SEVERAL = b"Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.0, h2c\r\n"
LONG = json.dumps({"inputs": [["never again " * 300]] * 8}).encode()
SLOW = POST + b"Content-Length: %d\r\n\r\n" % len(LONG) + LONG


def exchange(server: Server, *parts: bytes, finish: bool = False, answers: int = 1) -> bytes:
    """What comes back until so many answers are there, or until the end after our own side is closed."""
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(0.02 if len(parts) > 1 else 0)
        if finish:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(100_000):
            received += chunk
            if not finish and received.count(b"}]") == answers:
                break
        return received


def test_an_answer_comes_in_one_piece(server: Server) -> None:
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        for _ in range(20):
            connection.sendall(POST + LENGTH + BODY)
            assert connection.recv(100_000).endswith(b"}]")


@pytest.mark.parametrize("offer", [H2C, WEBSOCKET, SEVERAL])
@pytest.mark.parametrize(
    "parts",
    [
        (LENGTH + BODY,),
        (LENGTH, BODY),
        (LENGTH + BODY[:5], BODY[5:]),
        (b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,),
        (b"Transfer-Encoding: chunked\r\n\r\n", CHUNKS[:7], CHUNKS[7:]),
    ],
)
def test_an_offer_to_upgrade_is_ignored(server: Server, offer: bytes, parts: tuple[bytes, ...]) -> None:
    assert exchange(server, POST + offer + parts[0], *parts[1:]).startswith(b"HTTP/1.1 200 OK\r\n")


def test_requests_with_an_offer_can_be_sent_byte_by_byte_and_one_after_another(server: Server) -> None:
    request = POST + H2C + LENGTH + BODY
    assert exchange(server, *(request[i : i + 1] for i in range(40)), request[40:]).startswith(b"HTTP/1.1 200 OK")
    received = exchange(server, request + POST + LENGTH + BODY + request, answers=3)
    assert received.count(b"HTTP/1.1 200 OK") == 3


def test_an_offer_does_not_hide_what_else_the_connection_is_to_do(server: Server) -> None:
    offer = b"Connection: close, Upgrade\r\nUpgrade: h2c\r\n"
    assert b"connection: close" in exchange(server, POST + offer + LENGTH + BODY, finish=True)
    received = exchange(server, b"GET /health HTTP/1.1\r\nHost: x\r\n" + offer + b"\r\n", finish=True)
    assert received.startswith(b"HTTP/1.1 200 OK")
    both = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS
    assert exchange(server, POST + H2C + both, finish=True).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"CONNECT example.org:80 HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01", b"400"),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", b"400"),
        (b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", b"200"),
        (b"GET http://x?a HTTP/1.1\r\nHost: x\r\n\r\n", b"200"),
        (b"POST http://x HTTP/1.1" + POST.partition(b"HTTP/1.1")[2] + LENGTH + BODY, b"200"),
        (b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET http://x#a HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n", b"200"),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"204"),
        (b"OPTIONS http://x HTTP/1.1\r\nHost: x\r\n\r\n", b"204"),
        (b"OPTIONS http://x?a HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
        (b"OPTIONS http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
        (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET /health HTTP/0.9\r\n\r\n", b"400"),
        (b"GET /health HTTP/2.0\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /health HTTP/2.0\r\nHost: x\r\n" + H2C + b"\r\n", b"400"),
        (POST + b"Content-Length: -1\r\n\r\n", b"400"),
        (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n", b"400"),
        (POST + b"X-Request-Id: \xff\xfe\r\nTraceparent: \xff\r\n" + LENGTH + BODY, b"200"),
        (POST + b"Authorization: Bearer \xff\r\n" + LENGTH + BODY, b"200"),
    ],
)
def test_what_a_client_can_send_is_its_own_fault(server: Server, sent: bytes, status: bytes) -> None:
    assert exchange(server, sent, finish=True).split(b" ")[1] == status


def test_another_version_ends_the_connection_with_an_error_of_ours(server: Server) -> None:
    old = b"GET /health HTTP/0.9\r\n\r\n"
    received = exchange(server, POST + LENGTH + BODY + old + POST + LENGTH + BODY, finish=True)
    assert statuses(received) == [200, 400]
    head, _, body = received.rpartition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in head.rpartition(b"HTTP/1.1 ")[2]
    assert json.loads(body) == {"error": "expected HTTP/1.1, got HTTP/0.9", "error_type": "Validation"}


def test_what_the_server_can_do_is_told_without_a_path(start: Callable[..., Server], tiny: Path) -> None:
    server = start(tiny)
    allow = b"\r\nallow: GET, HEAD, OPTIONS, POST\r\n"
    ask = b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"
    received = exchange(server, ask + ask + b"CONNECT a:80 HTTP/1.1\r\nHost: x\r\n\r\n", finish=True)
    assert statuses(received) == [204, 204, 405]
    assert received.count(allow) == 3
    assert statuses(exchange(server, ask + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", finish=True)) == [204, 200]
    assert server.metric('torchless_requests_total{route="unknown",status="204"}') == 3


def test_what_is_no_request_is_logged_and_counted(start: Callable[..., Server], tiny: Path) -> None:
    server = start(tiny, "--read-timeout-s", "0.2")
    assert exchange(server, b"nonsense\r\n\r\n", finish=True).startswith(b"HTTP/1.1 400 ")
    assert exchange(server, b"GET /" + b"x" * 20_000, finish=True).startswith(b"HTTP/1.1 431 ")
    assert exchange(server, POST, answers=99).startswith(b"HTTP/1.1 408 ")
    for status in (400, 431, 408):
        assert server.metric(f'torchless_requests_total{{route="unknown",status="{status}"}}') == 1
    assert server.stop() == 0
    assert [event["status"] for event in server.events() if event.get("route") == "unknown"] == [400, 431, 408]


def test_a_body_is_asked_for_and_then_answered(server: Server) -> None:
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        connection.sendall(POST + b"Expect: 100-Continue\r\n" + LENGTH)
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        answer = connection.recv(1000)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"connection: close" not in answer


def test_a_refusal_before_the_body_was_asked_for_ends_the_connection(server: Server) -> None:
    head = POST + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"
    received = exchange(server, head, finish=True)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in received


def test_http_1_0_is_never_told_to_continue(server: Server) -> None:
    head = POST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Expect: 100-continue\r\n" + LENGTH
    assert exchange(server, head + BODY, finish=True).startswith(b"HTTP/1.1 200 OK")


# Where a request goes


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        (b"", b"400"),
        (b"Host: a\r\nHost: a\r\n", b"400"),
        (b"Host: a\r\nhost: b\r\n", b"400"),
        (b"Host: a b\r\n", b"400"),
        (b"Host: a/b\r\n", b"400"),
        (b"Host: user@a\r\n", b"400"),
        (b"Host: a:80:80\r\n", b"400"),
        (b"Host: a, b\r\n", b"400"),
        (b"Host: \xff\r\n", b"400"),
        (b"Host:\r\n", b"200"),
        (b"Host: a_b.example.org:8080\r\n", b"200"),
        (b"Host: a:\r\n", b"200"),
        (b"Host: 10.0.0.1:80\r\n", b"200"),
        (b"Host: [fe80::1%25eth0]:80\r\n", b"200"),
        (b"Host: %2Ftmp%2Fs\r\n", b"200"),
    ],
)
def test_a_request_names_one_host(server: Server, hosts: bytes, status: bytes) -> None:
    for target in (b"/health", b"http://x/health"):
        received = exchange(server, b"GET %b HTTP/1.1\r\n%b\r\n" % (target, hosts), finish=True)
        assert received.split(b" ")[1] == status
        assert (b'"error":"expected one header Host' in received) == (status == b"400")
    offered = exchange(server, b"GET /health HTTP/1.1\r\n" + H2C + hosts + b"\r\n", finish=True)
    assert offered.split(b" ")[1] == status
    assert (b'"error":"expected one header Host' in offered) == (status == b"400")


def test_http_1_0_needs_no_host(server: Server) -> None:
    assert exchange(server, b"GET /health HTTP/1.0\r\n\r\n", finish=True).startswith(b"HTTP/1.1 200 OK")
    twice = b"GET /health HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"
    assert exchange(server, twice, finish=True).startswith(b"HTTP/1.1 400 ")


def test_a_trailer_is_no_header(server: Server) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    trailer = CHUNKS[:-2] + b"Content-Type: application/json\r\n\r\n"
    assert exchange(server, head + trailer, finish=True).startswith(b"HTTP/1.1 415 ")


# Requests one after another


def statuses(received: bytes) -> list[int]:
    """The statuses of all answers, in order."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", received) if status != b"100"]


@pytest.mark.parametrize(
    "broken",
    [
        b"nonsense\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 20_000,
    ],
)
def test_what_is_no_request_does_not_take_the_answers_of_those_before_it(server: Server, broken: bytes) -> None:
    last = 431 if len(broken) > 20_000 else 400
    received = exchange(server, (POST + LENGTH + BODY) * 3, broken, finish=True)
    assert statuses(received) == [200, 200, 200, last]
    assert received.count(b"POSITIVE") == 3
    received = exchange(server, SLOW, broken, finish=True)
    assert statuses(received) == [200, last]


def test_a_request_too_many_does_not_either(server: Server) -> None:
    received = exchange(server, SLOW + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 150, finish=True)
    found = statuses(received)
    assert set(found[:-1]) == {200}
    assert found[-1] == 400
    assert 99 < len(found) < 105
    assert b"requests wait" in received


def test_a_request_is_answered_once(start: Callable[..., Server], tiny: Path) -> None:
    server = start(tiny, "--read-timeout-s", "0.2")
    for head in (
        POST + b"Content-Length: 99999999\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
    ):
        assert len(statuses(exchange(server, head + b"{", answers=99))) == 1


def test_clients_that_leave_are_no_errors_in_the_log(start: Callable[..., Server], tiny: Path) -> None:
    server = start(tiny, "--workers", "1")
    for sent in (SLOW * 5, SLOW + b"nonsense\r\n\r\n", SLOW * 2 + b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection((server.host, server.port), timeout=10) as connection:
            connection.sendall(sent)
            time.sleep(0.02)
    server.post("/predict", {"inputs": "a"})
    assert server.stop() == 0
    assert not [event for event in server.events() if event["level"] != "info"]


# Clients that stop sending


def test_a_client_that_closed_its_side_gets_its_answer(server: Server) -> None:
    received = exchange(server, POST + LENGTH + BODY, finish=True)
    assert statuses(received) == [200]
    assert b"connection: close" in received
    assert exchange(server, (POST + LENGTH + BODY) * 3, finish=True).count(b"HTTP/1.1 200 OK") == 3


def test_it_gets_an_answer_that_takes_long_too(server: Server) -> None:
    received = exchange(server, SLOW * 2, finish=True)
    assert received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").startswith(b"HTTP/1.1 200 OK")
    assert received.count(b"HTTP/1.1 200 OK") == 2
    old = exchange(server, SLOW.replace(b"HTTP/1.1", b"HTTP/1.0"), finish=True)
    assert b"100 Continue" not in old
    assert b" 200 OK" in old


def test_half_a_request_gets_none(server: Server) -> None:
    assert exchange(server, POST + LENGTH + BODY[:5], finish=True) == b""


def test_over_a_unix_socket_too(start: Callable[..., Server], tiny: Path, tmp_path: Path) -> None:
    start(tiny, "--uds", tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(tmp_path / "s"))
        connection.sendall(POST + LENGTH + BODY)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
