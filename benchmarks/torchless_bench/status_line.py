"""What a run is doing and how long it will take: a line on a terminal, elsewhere a line per minute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torchless.cli import status_line

from .time_left import TimeLeft


class StatusLine(status_line.StatusLine):
    """The line; it ends with the time left where the run has planned its steps.

    Attributes:
        time_left: the steps that are still to come.
    """

    def __init__(self) -> None:
        self.time_left = TimeLeft()
        super().__init__(at_once=True, ending=self._left)

    @contextmanager
    def step(self, kind: str, name: str) -> Iterator[None]:
        """A planned step, from its beginning to its end."""
        self.time_left.begin(kind, name)
        try:
            yield
        finally:
            self.time_left.end(kind, name)

    def _left(self) -> str:
        left = self.time_left.text()
        return f" · {left}" if left else ""
