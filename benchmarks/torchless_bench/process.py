"""Our end of the line to a worker: requests with a time limit, and a name for every way it can end."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .contenders import Job

LOAD_SECONDS, REQUEST_SECONDS = 900.0, 900.0
_QUIET_WINDOW_S, _QUIET_SHARE, _QUIET_LIMIT_S = 0.02, 0.05, 3.0


class WorkerError(Exception):
    """A contender did not load, failed, crashed or hung; the message says which."""


class NotInstalledError(WorkerError):
    """A contender needs a package that is not there."""


class Worker:
    """A contender's process."""

    def __init__(self, where: str, job: Job, log: Path) -> None:
        """Start the process; `load` waits for it.

        Args:
            where: the contender's "module:function".
            job: what it is given.
            log: where what its libraries print goes.
        """
        self._log = log
        fields = {name: value if name == "threads" else str(value) for name, value in asdict(job).items()}
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "torchless_bench.worker", where, json.dumps(fields)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=environment(job.threads),
            )
        assert self._process.stdout is not None
        self._unread = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self.batch_sizes: list[int] = []

    def load(self) -> None:
        """Wait until the engine is ready.

        Raises:
            NotInstalledError, WorkerError: it will not be.
        """
        self.batch_sizes = self._read(LOAD_SECONDS)["batch_sizes"]

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            WorkerError: the engine failed, its process died, or it took too long.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None
        return self._read(REQUEST_SECONDS)

    def wait_until_quiet(self) -> None:
        """Wait until none of its threads runs: thread pools spin for a while after a call, on the next one's CPUs."""
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
        """CPU time of all its threads so far; always 0 where there is no /proc."""
        total = 0
        for path in Path(f"/proc/{self._process.pid}/task").glob("*/schedstat"):
            try:
                total += int(path.read_text().split()[0])
            except (OSError, IndexError):
                continue  # a thread that ended between the two lines
        return total / 1e9

    def _read(self, limit_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        stop = time.monotonic() + limit_s
        while b"\n" not in self._unread:
            if not self._selector.select(max(0.0, stop - time.monotonic())):
                self.close()
                raise WorkerError(f"gave no answer within {limit_s:.0f} s")
            data = os.read(self._process.stdout.fileno(), 1 << 20)
            if not data:
                raise self._death()
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        if "missing" in message:
            raise NotInstalledError(f"{message['missing']} is not installed")
        if "error" in message:
            raise WorkerError(message["error"])
        return message

    def _death(self) -> WorkerError:
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return WorkerError(f"its process ended with {how}" + (f": {lines[-1]}" if lines else ""))


def environment(threads: int) -> dict[str, str]:
    """The environment of every process that is measured: one thread count for all, nobody asks the network."""
    counts = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    return {**os.environ, **dict.fromkeys(counts, str(threads)), **quiet}
