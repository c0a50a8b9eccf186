"""Errors of stdout, told from those of other files: the system's errors about writing name no file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class StdoutError(Exception):
    """Stdout cannot be written.

    Attributes:
        cause: what the system said.
    """

    def __init__(self, cause: OSError) -> None:
        super().__init__(cause)
        self.cause = cause


@contextmanager
def stdout() -> Iterator[None]:
    """Around whatever writes to stdout and does nothing else.

    Raises:
        StdoutError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise StdoutError(error) from error
