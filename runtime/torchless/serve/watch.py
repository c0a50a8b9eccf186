"""Whether threads still do their work: what they have been at for how long, and what becomes of one that ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from . import awake
from .logs import log_error
from .settings import Settings

HANGS = 3  # times as long as a request may take, after which what hangs ends the process
_LEAST_HANG_S = 5.0  # however short the requests' own limit is
_PAUSE_S = 0.5


def hang_s(settings: Settings) -> float:
    """Seconds at one piece of work after which a thread hangs: as long as a request may take."""
    return max(settings.request_timeout_s, _LEAST_HANG_S)


class Watch:
    """Threads that are begun again when they end, and may not be at one piece of work for too long."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._begun_s: dict[int, float] = {}  # by thread; written by the thread itself

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Run work in a thread of its own until it returns; where it raises, it is begun again."""
        thread = threading.Thread(target=self._keep, args=(work,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def begin(self) -> None:
        """Note that this thread begins a piece of work: a call that may hang."""
        self._begun_s[threading.get_ident()] = awake.now_s()

    def rest(self) -> None:
        """Note that this thread waits for work."""
        self._begun_s.pop(threading.get_ident(), None)

    def longest_s(self) -> float:
        """Seconds of this process that a thread has been at its present piece of work, the largest of all threads."""
        begun_s = list(self._begun_s.values())
        return awake.now_s() - min(begun_s) if begun_s else 0.0

    def _keep(self, work: Callable[[], None]) -> None:
        while True:
            try:
                return work()
            except BaseException as error:  # its message may hold a text
                log_error("a thread ended, and is begun again", error=type(error).__name__)
                self.rest()
                time.sleep(_PAUSE_S)
