"""Lines of UTF-8 files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from torchless.errors import InputError

LONGEST_BYTES = 1 << 30  # of a line; /dev/zero has one that never ends


def lines(file: Iterable[bytes], name: str) -> Iterator[str]:
    """The lines of a UTF-8 file, without their ends.

    Raises:
        InputError: the file cannot be read, or a line is not UTF-8; the message says which.
    """
    return (line.rstrip("\r\n") for line in lines_as_they_are(file, name))


def lines_as_they_are(file: Iterable[bytes], name: str) -> Iterator[str]:
    """The lines of a UTF-8 file, each with its end.

    Raises:
        InputError: the file cannot be read, or a line is not UTF-8; the message says which.
    """
    for number, line in enumerate(_read(file, name), 1):
        if len(line) > LONGEST_BYTES:
            raise InputError(
                f"{name}, line {number}: expected lines of text, got one of more than {LONGEST_BYTES} bytes."
            )
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name}, line {number}: not UTF-8 (byte 0x{line[error.start]:02x} at offset {error.start}). "
                "Convert it first, for example with: iconv -t UTF-8"
            ) from None
        yield text.removeprefix("\ufeff") if number == 1 else text  # spreadsheets begin UTF-8 files with a mark


def _read(file: Iterable[bytes], name: str) -> Iterator[bytes]:
    read_line = getattr(file, "readline", None)
    try:
        yield from file if read_line is None else iter(partial(read_line, LONGEST_BYTES + 1), b"")
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}.") from error
