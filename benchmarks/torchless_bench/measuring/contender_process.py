"""Starts a contender's process and talks to it; every way in which that process can end becomes an error."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from torchless_bench.contenders.contender import Setup

from . import cpu_time
from .avx2 import command
from .process_environment import environment

_MAIN = "torchless_bench.measuring.contender_main"
LOAD_SECONDS, REQUEST_SECONDS = 900.0, 900.0
_QUIET_WINDOW_S, _QUIET_SHARE, _QUIET_LIMIT_S = 0.02, 0.05, 3.0


class ContenderError(Exception):
    """A contender did not load, failed, crashed or did not answer; the message says which."""


class NotInstalledError(ContenderError):
    """A package that a contender needs is not installed."""


class ContenderProcess:
    """A contender's process, as contender_main.py runs it.

    Attributes:
        batch_sizes: what the contender's lists are to be tried with; known once it is loaded.
    """

    def __init__(self, where: str, setup: Setup, log: Path) -> None:
        """Start the process; `load` waits until it is ready.

        Args:
            where: the contender's "module:function".
            setup: what the contender is given.
            log: the file for everything that the contender's libraries print.
        """
        self._log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [*command(setup.isa), _MAIN, where, json.dumps(setup.to_json())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=environment(setup.threads),
                start_new_session=True,  # Ctrl-C ends the run, which ends this; else it would look like a crash
            )
        assert self._process.stdout is not None
        self._unread = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self.batch_sizes: list[int] = []

    def load(self) -> None:
        """Wait until the contender is ready.

        Raises:
            NotInstalledError, ContenderError: it cannot be loaded.
        """
        self.batch_sizes = self._read(LOAD_SECONDS)["batch_sizes"]

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request, and wait for its answer.

        Raises:
            ContenderError: the contender failed, its process ended, or it gave no answer in time.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None
        return self._read(REQUEST_SECONDS)

    def wait_until_quiet(self) -> None:
        """Wait until none of its threads runs.

        Thread pools keep spinning for a while after a call, and would slow down the contender that is timed next.
        """
        stop = time.monotonic() + _QUIET_LIMIT_S
        before = self.cpu_seconds()
        while time.monotonic() < stop:
            time.sleep(_QUIET_WINDOW_S)
            now = self.cpu_seconds()
            if now - before <= _QUIET_SHARE * _QUIET_WINDOW_S:
                return
            before = now

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def cpu_seconds(self) -> float:
        """CPU seconds of all its threads so far; 0 where there is no /proc."""
        return cpu_time.of_process(self._process.pid)

    def _read(self, limit_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        stop = time.monotonic() + limit_s
        while b"\n" not in self._unread:
            if not self._selector.select(max(0.0, stop - time.monotonic())):
                self.close()
                raise ContenderError(f"gave no answer within {limit_s:.0f} s")
            data = os.read(self._process.stdout.fileno(), 1 << 20)
            if not data:
                raise self._death()
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        if "missing" in message:
            raise NotInstalledError(f"{message['missing']} is not installed")
        if "error" in message:
            raise ContenderError(message["error"])
        return message

    def _death(self) -> ContenderError:
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return ContenderError(f"its process ended with {how}" + (f": {lines[-1]}" if lines else ""))
