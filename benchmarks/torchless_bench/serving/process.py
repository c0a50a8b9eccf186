"""Starts and stops a server in a process of its own, and reads its metrics and its memory."""

from __future__ import annotations

import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

READY_S = 180
# Ends a server whose measuring process was killed: the pipe on its stdin closes when that process ends in any way.
_GUARD = "import os, sys; sys.stdin.read(); os.killpg(int(sys.argv[1]), 9)"


class ServerProcess:
    """A server on a free port of the loopback.

    Attributes:
        port: the port that it listens on.
        log: the file that its output goes to.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        ready: str,
        environment: dict[str, str] | None = None,
        cpus: int | None = None,
    ) -> None:
        """Start the server, and wait until it answers GET `ready` with status 200.

        Args:
            command: what to run; `{port}` is replaced by the port.
            log: the file that its output goes to.
            ready: a path.
            environment: variables to set beside this process's.
            cpus: number of CPUs that it may use; None for all that this process may use.

        Raises:
            RuntimeError: it ended, or was not ready after READY_S seconds; the message has the end of its log.
        """
        self.port, self.log = free_port(), log
        with log.open("wb") as file, _on(cpus):
            self.process = subprocess.Popen(
                [part.replace("{port}", str(self.port)) for part in command],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # so that its children can be ended with it
            )
        self._guard = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", _GUARD, str(self.process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        end = time.monotonic() + READY_S
        while self.get(ready)[0] != 200:
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"{command[:4]} did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body of the answer to a GET; status 0 if there is none."""
        return self.ask("GET", path, headers=headers)

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body of the answer to a request; status 0 if there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, data, {"content-type": "application/json", **(headers or {})})
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            return 0, b""
        finally:
            connection.close()

    def metric(self, pattern: str, headers: dict[str, str] | None = None) -> float:
        """The sum of all samples of /metrics whose line begins with the pattern, a regular expression."""
        lines = self.get("/metrics", headers)[1].decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(pattern, line))

    def rss_mib(self) -> float:
        """Resident memory of the process and its children, in MiB."""
        total = 0
        for pid in [self.process.pid, *_children(self.process.pid)]:
            fields = Path(f"/proc/{pid}/status").read_text().splitlines()
            total += next((int(line.split()[1]) for line in fields if line.startswith("VmRSS")), 0)
        return total / 1024

    def main_threads_s(self) -> float:
        """CPU seconds of the main threads of the process and its children (Linux; proc(5), schedstat)."""
        pids = [self.process.pid, *_children(self.process.pid)]
        return sum(int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e9

    def stop(self) -> int:
        """Send SIGTERM, wait for the end, and kill the children that are left; returns the exit code."""
        self._guard.kill()
        self._guard.communicate()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()


def torchless_server(model: str, log: Path, *flags: str, cpus: int | None = None) -> ServerProcess:
    """Start `torchless serve` with these flags, and default settings otherwise."""
    command = [sys.executable, "-m", "torchless", "serve", model, "--port", "{port}", *flags]
    return ServerProcess(command, log, ready="/ready", cpus=cpus)


@contextmanager
def _on(cpus: int | None) -> Iterator[None]:
    """Let processes that are started meanwhile use the first CPUs alone."""
    if cpus is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cpus])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def allow_files() -> None:
    """Let this process, and those that it starts, open as many files as the system lets them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port() -> int:
    """A port of the loopback that is not in use."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *_children(child)]
    return found
