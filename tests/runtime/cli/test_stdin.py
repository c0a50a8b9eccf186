from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from io import FileIO

import pytest

from torchless.cli.stdin import Arriving, comes_bit_by_bit

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other pipes and no such signals")


class InterruptedByTestError(Exception):
    pass


@pytest.fixture
def pipe() -> Iterator[tuple[FileIO, FileIO]]:
    reading, writing = os.pipe()
    with FileIO(reading, "r") as reader, FileIO(writing, "w") as writer:
        yield reader, writer


@pytest.fixture
def _handler(request: pytest.FixtureRequest) -> Iterator[None]:
    before = signal.signal(signal.SIGUSR1, request.param)
    yield
    signal.signal(signal.SIGUSR1, before)


def interrupt(*_: object) -> None:
    raise InterruptedByTestError


def test_lines_come_one_by_one_and_the_last_needs_no_end(pipe: tuple[FileIO, FileIO]) -> None:
    reader, writer = pipe
    assert comes_bit_by_bit(reader)  # type: ignore[arg-type]
    arriving = Arriving(reader)  # type: ignore[arg-type]
    assert arriving.waits()
    writer.write(b"one\ntwo\nthr")
    lines = iter(arriving)
    assert next(lines) == b"one\n"
    assert not arriving.waits()
    assert next(lines) == b"two\n"
    assert arriving.waits()
    writer.write(b"ee")
    writer.close()
    assert list(lines) == [b"three"]


@pytest.mark.parametrize("_handler", [lambda *_: None], indirect=True)
@pytest.mark.usefixtures("_handler")
def test_a_signal_that_means_nothing_ends_no_waiting(pipe: tuple[FileIO, FileIO]) -> None:
    reader, writer = pipe

    def signal_and_write() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.05)
        writer.write(b"line\n")

    thread = threading.Thread(target=signal_and_write)
    lines = iter(Arriving(reader))  # type: ignore[arg-type]
    thread.start()
    assert next(lines) == b"line\n"
    thread.join()


@pytest.mark.parametrize("_handler", [interrupt], indirect=True)
@pytest.mark.usefixtures("_handler")
def test_a_signal_ends_the_waiting_and_leaves_nothing_behind(pipe: tuple[FileIO, FileIO]) -> None:
    thread = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    thread.start()
    with pytest.raises(InterruptedByTestError):
        next(iter(Arriving(pipe[0])))  # type: ignore[arg-type]
    thread.join()
    assert signal.set_wakeup_fd(-1) == -1


def test_lines_come_in_other_threads_too(pipe: tuple[FileIO, FileIO]) -> None:
    reader, writer = pipe
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.extend(Arriving(reader)))  # type: ignore[arg-type]
    thread.start()
    writer.write(b"a\nb\n")
    writer.close()
    thread.join()
    assert found == [b"a\n", b"b\n"]


def test_a_line_in_many_pieces_is_whole(pipe: tuple[FileIO, FileIO]) -> None:
    """A piece is what a pipe holds, 64 KiB."""
    reader, writer = pipe
    sent = [b"short\n", b"x" * 1_000_000 + b"\n", b"\n", b"y" * 300_000]
    thread = threading.Thread(target=lambda: (writer.write(b"".join(sent)), writer.close()))
    thread.start()
    assert list(Arriving(reader)) == sent  # type: ignore[arg-type]
    thread.join()


def test_a_line_that_does_not_end_is_not_read_for_ever(
    pipe: tuple[FileIO, FileIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchless.cli.stdin.LONGEST_BYTES", 1000)
    reading, writing = pipe
    writing.write(b"a\n" + b"x" * 5000)
    *whole, endless = list(Arriving(reading))  # type: ignore[arg-type]  # its writer is there, and may write more
    assert whole == [b"a\n"]
    assert len(endless) > 1000
