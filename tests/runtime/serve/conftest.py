"""A real server on a real port, and the plainest of clients."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from torchless.serve.request_queue import RequestQueue

from .served import FakeServedModel, running

READY_S = 30


def _alone(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """One process, which starts soonest, where a test says nothing else."""
    return arguments if "--processes" in arguments or "--workers" in arguments else ("--processes", "1", *arguments)


class Server:
    """`torchless serve` in a process of its own, on a free port."""

    def __init__(self, log: Path, *arguments: str, **variables: str) -> None:
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "torchless", "serve", "--port", "0", *_alone(arguments)],
                stdout=file,
                stderr=file,
                env={**os.environ, **variables},
            )
        self.address = self._event("ready")["address"]
        self.host, _, port = self.address.removeprefix("http://").partition(":")
        self.port = int(port or 0)

    def events(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self._log.read_bytes().splitlines()]

    def _event(self, name: str) -> dict[str, Any]:
        end = time.monotonic() + READY_S
        while time.monotonic() < end and self.process.poll() is None:
            for line in self._log.read_bytes().splitlines():
                if line.startswith(b"{") and json.loads(line)["event"] == name:
                    return json.loads(line)
            time.sleep(0.02)
        raise AssertionError(f"the server did not say {name!r}: {self._log.read_text()}")

    wait_for = _event

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one request on its own connection; what is not bytes is sent as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("content-type", "application/json")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        """The decoded answer, which must be a 200."""
        status, _, answer = self.request("POST", path, body, headers)
        assert status == 200, answer
        return json.loads(answer)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Any:
        """The decoded answer, which must be a 200."""
        status, _, answer = self.request("GET", path, None, headers)
        assert status == 200, answer
        return json.loads(answer)

    def metric(self, sample: str) -> float:
        """The value of one sample of /metrics."""
        lines = self.request("GET", "/metrics")[2].decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample + " ")), 0.0)

    def begin_to_stop(self) -> None:
        """SIGTERM."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.begin_to_stop()
        return self.wait()

    def wait(self) -> int:
        """The exit code of a server that is stopping."""
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()


@contextmanager
def serving(folder: Path, *arguments: object) -> Iterator[Server]:
    """A server for several tests, which ends well after them."""
    running = Server(folder / "log", *map(str, arguments))
    try:
        yield running
    finally:
        code = running.stop()
    assert code == 0


def rest(connection: socket.socket) -> bytes:
    """All that comes until the server ends the connection; an error if it does not."""
    received = b""
    with suppress(ConnectionError):
        while data := connection.recv(65536):
            received += data
    return received


def statuses(received: bytes) -> list[int]:
    """The statuses of all answers, in order."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", received)]


@pytest.fixture(scope="session")
def server(mini: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of both bundles, the real one first, with default limits."""
    with serving(tmp_path_factory.mktemp("serve"), mini, tiny) as running:
        yield running


@pytest.fixture(scope="session")
def stopping() -> Iterator[list[Server]]:
    """Servers that were told to stop: they must, but no test waits for those of the test before."""
    servers: list[Server] = []
    yield servers
    for each in servers:
        each.wait()


@pytest.fixture
def start(tmp_path: Path, stopping: list[Server]) -> Iterator[Callable[..., Server]]:
    """Start servers for one test."""
    running: list[Server] = []

    def start(*arguments: object, **variables: str) -> Server:
        log = tmp_path / f"server-{len(running)}.log"
        running.append(Server(log, "--drain-s", "0", *map(str, arguments), **variables))
        return running[-1]

    yield start
    for each in running:
        each.begin_to_stop()
        stopping.append(each)


@pytest.fixture
def model(tiny: Path) -> FakeServedModel:
    return FakeServedModel(tiny)


@pytest.fixture
def queue(request: pytest.FixtureRequest) -> Iterator[RequestQueue]:
    """A queue with one worker; its settings are an indirect parameter."""
    with running(getattr(request, "param", None)) as queue:
        yield queue
