"""The time for which this process ran: a machine that is paused, or a process that is stopped, lets no thread hang."""

from __future__ import annotations

from time import perf_counter

_LATE_S = 1.0  # a look that comes so late means that the process stood still; there are ten looks per second


class _AwakeClock:
    def __init__(self) -> None:
        self._still_s = 0.0
        self._looked_s: float | None = None

    def look(self) -> None:
        now_s = perf_counter()
        if self._looked_s is not None and now_s - self._looked_s > _LATE_S:
            self._still_s += now_s - self._looked_s
        self._looked_s = now_s

    def now_s(self) -> float:
        return perf_counter() - self._still_s


_CLOCK = _AwakeClock()
look = _CLOCK.look  # the event loop calls it often; where nothing does, no pause is noticed
now_s = _CLOCK.now_s
