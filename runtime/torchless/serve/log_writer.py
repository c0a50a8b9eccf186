"""Log lines on their way to stderr, through a buffer and a thread: whoever logs never waits for whoever reads.

A pipe that is not read, a terminal that is stopped or a full disk would else hold up the event loop, and with it every
answer, /health and SIGTERM. Lines that find the buffer full, or stderr closed, are dropped and counted.
"""

from __future__ import annotations

import io
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TextIO

MOST_BUFFERED_BYTES = 1_000_000
_WHOLE_BYTES = getattr(select, "PIPE_BUF", 512)  # what a pipe never mixes with what others write
_FLUSH_S = 1.0
_RETRY_S = 0.05
# Lines are written together, this long after the first: a thread that wakes for every one of them takes the
# interpreter from the workers, and cost 5 to 10 % of the requests per second.
_GATHER_S = 0.02


class LogWriter(logging.Handler):
    """Writes records to a stream from a thread of its own.

    Attributes:
        dropped: lines that were not written.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.dropped = 0
        self._stream = stream  # kept, or its descriptor would be closed
        self._write = _writer(stream)
        self._changed = threading.Condition()  # guards all that follows, and `dropped`
        self._lines: list[bytes] = []
        self._buffered_bytes = 0  # of those lines, and of those that are being written
        self._unreported = 0
        threading.Thread(target=self._run, name="torchless-log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Buffer a record's line, or drop it; never waits."""
        try:
            line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        except Exception:  # a record that cannot be formatted must not end its request
            line = b""
        with self._changed:
            if not line or self._buffered_bytes + len(line) > MOST_BUFFERED_BYTES:
                self._drop(1)
                return
            self._lines.append(line)
            self._buffered_bytes += len(line)
            if len(self._lines) == 1:
                self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all lines are written, but at most a second."""
        end = time.monotonic() + _FLUSH_S
        with self._changed:
            while self._buffered_bytes and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)

    def _run(self) -> None:
        failed = False
        while True:
            with self._changed:
                while not self._lines and (failed or not self._unreported):
                    self._changed.wait()
            time.sleep(_GATHER_S)
            with self._changed:
                lines, self._lines = self._lines, []
                missing, self._unreported = self._unreported, 0
            # At once, if at all: what several processes write to one pipe would mix in larger pieces.
            failed = any(self._put(piece) for piece in _pieces(([_report(missing)] if missing else []) + lines))
            with self._changed:
                if failed:
                    self._unreported += missing
                    self._drop(len(lines))
                self._buffered_bytes -= sum(map(len, lines))
                self._changed.notify_all()

    def _put(self, piece: bytes) -> bool:
        data = memoryview(piece)
        while data:
            try:
                data = data[self._write(data) :]
            except BlockingIOError:  # another process has made it non-blocking
                time.sleep(_RETRY_S)
            except (OSError, ValueError):  # closed, or its disk is full
                return True
        return False

    def _drop(self, count: int) -> None:
        self.dropped += count
        self._unreported += count


class DirectWriter(logging.Handler):
    """Writes each record at once, or drops it where the stream would make it wait; for a process without threads."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._write = _writer(stream)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's line if the stream takes it now."""
        with suppress(OSError, ValueError):
            if select.select([], [self._stream], [], 0)[1]:
                self._write(memoryview(self.format(record).encode("utf-8", "backslashreplace") + b"\n"))


def _pieces(lines: list[bytes]) -> Iterator[bytes]:
    """Lines together, as many as a pipe takes as a whole."""
    together: list[bytes] = []
    size = 0
    for line in lines:
        if together and size + len(line) > _WHOLE_BYTES:
            yield b"".join(together)
            together, size = [], 0
        together.append(line)
        size += len(line)
    if together:
        yield b"".join(together)


def _report(missing: int) -> bytes:
    return b'{"level":"warning","event":"log lines were dropped","count":%d}\n' % missing


def _writer(stream: TextIO) -> Callable[[memoryview], int]:
    """What writes bytes to a stream, and says how many.

    Past its buffer, whose lock Python takes when it exits: a thread that waits in it would hang the process.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, io.UnsupportedOperation):

        def write(data: memoryview) -> int:
            stream.write(bytes(data).decode())
            stream.flush()
            return len(data)

        return write
    if stream.name == os.devnull:  # stands in for a stderr that was closed
        descriptor = -1
    return lambda data: os.write(descriptor, data)
