"""A client that does not read its answer, and a server that ends whatever clients and loads do."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from torchless.serve.unread import Unread

from .conftest import Server

Start = Callable[..., Server]
PATIENCE = ("--read-timeout-s", 0.5, "--keep-alive-s", 0.5, "--request-timeout-s", 10)


@contextmanager
def asked(server: Server, outputs: int = 3) -> Iterator[socket.socket]:
    """A client that asked for more than the system's buffers hold, and has read its first bytes."""
    tensor = {"name": "t", "shape": [1024], "datatype": "BYTES", "data": ["a"] * 1024}
    body = json.dumps({"inputs": [tensor], "outputs": [{"name": "embedding"}] * outputs}).encode()
    path = "/v2/models/sst2-mini/infer"
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect((server.host, server.port))
        connection.sendall(head.encode() + body)
        assert connection.recv(12).endswith(b"200")
        yield connection


def read(connection: socket.socket, pause_s: float) -> int:
    """How many bytes come until the server ends the connection, or a second passes."""
    connection.settimeout(1)
    count = 0
    try:
        while data := connection.recv(1 << 18):
            count += len(data)
            time.sleep(pause_s)
    except OSError:
        pass
    return count


def test_a_client_that_does_not_read_is_dropped_and_its_answer_freed(start: Start, mini: Path) -> None:
    server = start(mini, *PATIENCE)
    with asked(server) as connection:
        assert server.metric("torchless_held_bytes") > 1_000_000
        end_s = time.monotonic() + 10
        while server.metric("torchless_held_bytes") and time.monotonic() < end_s:
            time.sleep(0.1)
        assert server.metric("torchless_held_bytes") == 0
        unread = read(connection, 0)
    with asked(server) as connection:
        assert read(connection, 0.001) > max(unread, 20_000_000), "a client that reads slowly gets all"


def test_sigterm_does_not_wait_for_a_client_that_does_not_read(start: Start, mini: Path) -> None:
    server = start(mini, *PATIENCE, "--max-drain-s", 8)
    with asked(server), asked(server):
        begun_s = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun_s < 5


class Transport:
    """A client that takes so many bytes each 10 ms."""

    def __init__(self, size: float, rate: float) -> None:
        self.size, self.rate, self.aborted = size, rate, False
        self.begun_s = time.monotonic()

    def get_write_buffer_size(self) -> int:
        return max(0, int(self.size - self.rate * (time.monotonic() - self.begun_s) / 0.01))

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.parametrize(("size", "rate", "aborted"), [(1000, 0, True), (10_000, 10, True), (100, 10, False)])
def test_neither_standing_still_nor_creeping_lasts(size: float, rate: float, aborted: bool) -> None:
    async def scenario() -> bool:
        transport = Transport(size, rate)
        Unread(transport, still_s=0.05, most_s=0.3).begin()  # type: ignore[arg-type]
        await asyncio.sleep(0.6)
        return transport.aborted

    assert asyncio.run(scenario()) is aborted


@pytest.mark.parametrize(
    "hangs", ["asyncio.run(asyncio.wait_for(in_daemon(lambda: time.sleep(60)), 0.1))", "_end_in(0.1); time.sleep(60)"]
)
def test_a_process_does_not_wait_for_work_that_hangs(hangs: str) -> None:
    imports = "from torchless.serve.daemon import in_daemon\nfrom torchless.serve.server import _end_in"
    code = f"import asyncio, time\n{imports}\n{hangs}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=20, check=False)
    assert done.returncode == 1
