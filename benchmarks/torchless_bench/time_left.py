"""How long a run still takes, estimated from the steps that are done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Kind:
    """Steps of one kind, such as all workloads: how long they were expected to take, and how long they took."""

    expected_s: float = 0.0
    taken_s: float = 0.0

    def slower(self) -> float:
        """How many times longer than expected the steps took; 1 before the first is done."""
        return self.taken_s / self.expected_s if self.expected_s else 1.0


class TimeLeft:
    """The steps of a run, each with a guess of its seconds. What is done corrects the guesses of its kind."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._to_do: dict[tuple[str, str], float] = {}
        self._done: dict[str, _Kind] = {}
        self._now: tuple[str, str] | None = None
        self._since_s = 0.0

    def plan(self, kind: str, name: str, expected_s: float) -> None:
        """Add a step."""
        self._to_do[kind, name] = expected_s

    def begin(self, kind: str, name: str) -> None:
        """A step begins; one that was not planned counts nothing."""
        self._now, self._since_s = (kind, name), self._clock()

    def end(self, kind: str, name: str) -> None:
        """The step that began last is done."""
        expected_s = self._to_do.pop((kind, name), None)
        if expected_s is not None:
            done = self._done.setdefault(kind, _Kind())
            done.expected_s += expected_s
            done.taken_s += self._clock() - self._since_s
        self._now = None

    def drop(self, kind: str, name: str) -> None:
        """A step is not needed any more."""
        self._to_do.pop((kind, name), None)

    def seconds(self) -> float | None:
        """Estimated seconds until all steps are done; None where none is planned."""
        if not self._to_do:
            return None
        left_s = 0.0
        for (kind, name), expected_s in self._to_do.items():
            step_s = expected_s * self._done.get(kind, _Kind()).slower()
            taken_s = self._clock() - self._since_s if self._now == (kind, name) else 0.0
            left_s += max(0.0, step_s - taken_s)
        return left_s

    def text(self) -> str:
        """Such as "about 12 min left"; empty where no step is planned."""
        seconds = self.seconds()
        if seconds is None:
            return ""
        return "about 1 min left" if seconds < 90 else f"about {seconds / 60:.0f} min left"
