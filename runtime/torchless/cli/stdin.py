"""Lines of a pipe or a terminal, as they come."""

from __future__ import annotations

import os
import select
import signal
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from torchless.inputs.lines import LONGEST_BYTES


def comes_bit_by_bit(file: BinaryIO) -> bool:
    """Whether it is a pipe, a socket or a terminal."""
    try:
        mode = os.fstat(file.fileno()).st_mode
    except OSError:  # no file of the system's
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


class Arriving:
    """The lines of a pipe or a terminal, and whether the next one would have to be waited for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file.fileno()
        self._lines: deque[bytes] = deque()

    def waits(self) -> bool:
        """Whether no whole line is here and none is coming in."""
        if self._lines:
            return False
        try:
            return not select.select([self._file], [], [], 0)[0]
        except OSError:  # Windows selects sockets alone
            return False

    def __iter__(self) -> Iterator[bytes]:
        begun: list[bytes] = []  # of a line that has not ended yet; joined once, so that a long one takes linear time
        size = 0  # of that
        with _signals() as signals:
            while data := self._read(signals):
                *whole, rest = data.split(b"\n")
                if whole:
                    whole[0] = b"".join([*begun, whole[0]])
                    begun = []
                    self._lines.extend(line + b"\n" for line in whole)
                size = len(rest) + (0 if whole else size)
                begun.append(rest)
                while self._lines:
                    yield self._lines.popleft()
                if size > LONGEST_BYTES:  # whoever reads it refuses it
                    break
        if last := b"".join(begun):
            yield last

    def _read(self, signals: int | None) -> bytes:
        """What has come; waits for the first of it, or for a signal, whose handler may raise."""
        ready: list[int] = []
        while signals is not None and self._file not in ready:
            ready = select.select([self._file, signals], [], [])[0]
            if signals in ready:
                os.read(signals, 1 << 10)
        return os.read(self._file, 1 << 16)


@contextmanager
def _signals() -> Iterator[int | None]:
    """A file that can be read once a signal has come; None where there is no such thing.

    Without it a signal between Python's last look for one and the system's read is noticed when something has been
    read, which may be never.
    """
    if os.name == "nt":  # selects sockets alone
        yield None
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    except ValueError:  # not the main thread, which is where handlers run
        before = None
    try:
        yield reading
    finally:
        if before is not None:
            signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(writing)
