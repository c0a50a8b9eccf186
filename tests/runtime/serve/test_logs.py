"""What a log line holds, and when it is written."""

from __future__ import annotations

import http.client
import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from torchless.serve.log_writer import LogWriter
from torchless.serve.logs import flush, log, log_error, use_json


@pytest.fixture
def loggers() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.mark.usefixtures("loggers")
def test_every_event_is_one_json_line_that_is_written_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    def lines() -> list[dict[str, Any]]:
        flush()
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    use_json("info")
    log("one", texts=2)
    (one,) = lines()
    assert (one["event"], one["level"], one["texts"]) == ("one", "info", 2)
    log_error("two")
    logging.getLogger("other").warning("three")
    two, three = lines()
    assert (two["event"], two["level"]) == ("two", "error")
    assert (three["event"], three["logger"]) == ("three", "other")


# A stderr that takes no lines


class Connection(http.client.HTTPConnection):
    """One to a server on a Unix socket, as soon as it is ready."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(self._path))

    def __enter__(self) -> Connection:
        end = time.monotonic() + 30
        while True:
            try:
                self.request("GET", "/ready")
                if self.getresponse().read() == b'{"status":"ready"}':
                    return self
            except OSError:
                self.close()
            assert time.monotonic() < end
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str) -> bytes:
        self.request("GET", path)
        return self.getresponse().read()

    def post(self, path: str, body: bytes) -> bytes:
        self.request("POST", path, body, {"content-type": "application/json"})
        return self.getresponse().read()


def writer(descriptor: int) -> LogWriter:
    return LogWriter(os.fdopen(descriptor, "w", encoding="utf-8"))


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("x", logging.INFO, "", 0, text, None, None)


def test_a_pipe_that_is_not_read_holds_nothing_up_and_lines_are_counted() -> None:
    read, write = os.pipe()
    handler, text = writer(write), "x" * 1000
    for _ in range(3000):
        handler.emit(record(text))
    assert 0 < handler.dropped < 3000
    handler.flush()  # ends, though nothing is read
    taken, reported, whole = b"", 0, 0
    while reported < handler.dropped:
        taken += os.read(read, 1_000_000)
        lines = taken.split(b"\n")[:-1]
        reported = sum(json.loads(line)["count"] for line in lines if b"dropped" in line)
        whole = lines.count(text.encode())
    while whole < 3000 - handler.dropped:
        taken += os.read(read, 1_000_000)
        whole = taken.split(b"\n")[:-1].count(text.encode())
    assert reported == handler.dropped
    os.close(read)


def test_a_closed_stderr_drops_and_counts() -> None:
    read, write = os.pipe()
    os.close(read)
    handler = writer(write)
    for _ in range(3):
        handler.emit(record("x"))
    handler.flush()
    assert handler.dropped == 3


def test_a_full_disk_drops_and_counts() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    handler = LogWriter(full.open("w"))
    handler.emit(record("x"))
    handler.flush()
    assert handler.dropped == 1


def test_a_pipe_that_does_not_wait_loses_nothing() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    handler = writer(write)
    for number in range(900):
        handler.emit(record(f"{number} " + "x" * 1000))
    taken = b""
    while taken.count(b"\n") < 900:
        taken += os.read(read, 10_000)
    assert [int(line.split()[0]) for line in taken.splitlines()] == list(range(900))
    assert handler.dropped == 0
    os.close(read)


@pytest.mark.parametrize("closed", [False, True])
def test_a_server_answers_and_ends_though_nobody_reads_its_log(tiny: Path, closed: bool, tmp_path: Path) -> None:
    read, write = os.pipe()
    command = [sys.executable, "-m", "torchless", "serve", str(tiny), "--uds", str(tmp_path / "s"), "--drain-s", "0"]
    process = subprocess.Popen(command, stderr=write)
    os.close(write)
    if closed:
        os.close(read)
    try:
        with Connection(tmp_path / "s") as connection:
            for _ in range(1500):
                assert connection.post("/predict", b'{"inputs": "good"}').startswith(b"[{")
            metrics = connection.get("/metrics").decode()
        dropped = next(line for line in metrics.splitlines() if line.startswith("torchless_dropped_log_lines "))
        assert not closed or float(dropped.split()[1]) > 1000
    finally:
        process.terminate()
        assert process.wait(20) == 0
        if not closed:
            os.close(read)
