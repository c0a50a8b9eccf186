"""Lines of a file that may be damaged: no line is too long for memory, and none that is not UTF-8 ends the reading."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import IO

MOST_BYTES = 1 << 23  # of a line, and of a record of several lines: a text may have 4 MB of them
LEFT_OUT = "\ufffd"  # in the place of what is too long; a blank line would be no row
_SHOWN = 100  # bytes of it


class RecordedLines:
    """The lines of a file as an iterator, which remembers those that have not been taken yet.

    Attributes:
        number: of the line that was returned last, from 1.
        most_bytes: of a line, and of lines that have not been taken.
        mark: whether the file begins with a byte order mark, which is not part of its first line.
    """

    def __init__(self, file: IO[bytes], most_bytes: int = MOST_BYTES) -> None:
        self._file = file
        self.most_bytes = most_bytes
        self._given: deque[tuple[str, str | None]] = deque()  # lines not taken yet, and what is wrong with them
        self._back: deque[tuple[str, str | None]] = deque()
        self._held = 0  # characters in _given
        self.number = 0
        self.mark = False

    def __iter__(self) -> RecordedLines:
        return self

    def __next__(self) -> str:
        if self.full:  # a quote that nothing closes would swallow the rest of the file
            raise StopIteration
        line, wrong = self._back.popleft() if self._back else self._read()
        self._given.append((line, wrong))
        self._held += len(line)
        self.number += 1
        return line

    def _read(self) -> tuple[str, str | None]:
        most = self.most_bytes
        data = self._file.readline(most)
        if not data:
            raise StopIteration
        if len(data) == most and not data.endswith(b"\n"):
            while (more := self._file.readline(1 << 20)) and not more.endswith(b"\n"):
                pass
            shown = data[:_SHOWN].decode(errors="replace")
            return f"{LEFT_OUT}\n", f"a line of more than {most:,} bytes, which begins with {shown!r}"
        if self.number == 0 and data.startswith(b"\xef\xbb\xbf"):
            self.mark, data = True, data[3:]
        try:
            return data.decode(), None
        except UnicodeDecodeError as error:
            wrong = f"not UTF-8 (byte 0x{data[error.start]:02x} at offset {error.start} of the line)"
            return data.decode(errors="replace"), wrong

    def take(self, number: int) -> tuple[str, str | None]:
        """The lines up to this number that have not been taken, as one string, and what is wrong with one of them."""
        count = len(self._given) - (self.number - number)
        if count == 1:
            line, wrong = self._given.popleft()
        else:
            taken = [self._given.popleft() for _ in range(count)]
            line = "".join(each for each, _ in taken)
            wrong = next((each for _, each in taken if each), None)
        self._held -= len(line)
        return line, wrong

    @property
    def full(self) -> bool:
        """Whether so much is held that no more lines come until some are taken or put back."""
        return self._held > self.most_bytes

    @property
    def second(self) -> str:
        """The second of the lines that have not been taken; empty where there is none."""
        return self._given[1][0] if len(self._given) > 1 else ""

    def put_back(self) -> None:
        """Return all lines but the first that have not been taken: they will come again."""
        while len(self._given) > 1:
            line, wrong = self._given.pop()
            self._back.appendleft((line, wrong))
            self._held -= len(line)
            self.number -= 1

    def skip(self, is_last: Callable[[str], bool | None]) -> bool:
        """Read on to the last line of a record that is too long to be held, without holding the lines between.

        Args:
            is_last: whether a line is the last one; None where the lines are no record.

        Returns:
            Whether there is such a line; if not, or if the file cannot be read again from here, nothing has been read.
        """
        if not self._file.seekable():
            return False
        begin = self._file.tell()
        for count, line in enumerate(chain((line for line, _ in self._back), self._rest()), 1):
            found = is_last(line)
            if found:
                for _ in range(min(count, len(self._back))):
                    self._back.popleft()
                self.number += count
                return True
            if found is None:
                break
        self._file.seek(begin)
        return False

    def _rest(self) -> Iterator[str]:
        while True:
            try:
                yield self._read()[0]
            except StopIteration:
                return
