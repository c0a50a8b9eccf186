"""A process of the server as the supervisor sees it: its channel, what it serves, and whether it still lives."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import Any

from .channel import Channel, PeerError
from .metrics import Counts
from .whole import SILENT_S

LOOK_S = 0.5  # between two looks at the heartbeats


class Child:
    """A process of the server.

    Attributes:
        pid: its number in the system.
        channel: to it.
        loaded: sha256 of each of its models, by name; empty while it loads.
        counts: its counters, as it last told them.
        problem: what it, or the supervisor, says is wrong with it.
        silent_s: for how long its heartbeat has not changed, once it has begun to beat.
    """

    def __init__(self, pid: int, channel: Channel, now_s: float) -> None:
        self.pid = pid
        self.channel = channel
        self.begun_s = now_s
        self.loaded: dict[str, str] = {}
        self.counts: Counts = []
        self.problem: PeerError | None = None
        self.silent_s = 0.0
        self._beat_s: float | None = None
        self._has_beaten = False

    def look(self, beat_s: float, step_s: float) -> None:
        """Note its heartbeat.

        Args:
            beat_s: when it last beat.
            step_s: since the last look, and no more than a little above `LOOK_S`. Where the supervisor too stood still,
                as on a machine that was paused, that time is not held against the process.
        """
        beats = beat_s != self._beat_s
        self._has_beaten = self._has_beaten or (beats and self._beat_s is not None)  # the first is an earlier process's
        alive = self._has_beaten or self.loaded  # before that it may be importing
        self.silent_s = 0.0 if beats or not alive else self.silent_s + step_s
        self._beat_s = beat_s

    async def ask(self, what: str, given: Any = None, *, within_s: float) -> Any:
        """As `Channel.ask`, but the answer is given up after some seconds, and as soon as the process is silent.

        Raises:
            PeerError: the answer was given up; or as `Channel.ask`.
        """
        answer = asyncio.ensure_future(self.channel.ask(what, given))
        end_s = asyncio.get_running_loop().time() + within_s
        try:
            while not (await asyncio.wait({answer}, timeout=LOOK_S))[0]:
                if self.silent_s > SILENT_S or asyncio.get_running_loop().time() > end_s:
                    raise PeerError(f"process {self.pid} does not answer; try again in a while", "NotReadyError")
            return answer.result()
        finally:
            answer.cancel()

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def how(code: int) -> str:
    """How a process ended."""
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def end_with(parent: int) -> None:
    """Let the system end this process when its parent ends; where it cannot, the end of the channel does."""
    with suppress(Exception):
        import ctypes

        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
