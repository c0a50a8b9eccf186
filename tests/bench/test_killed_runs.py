"""A run that is killed leaves nothing running that would disturb the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")


def start(code: str, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """Start a run that prints the id of a process that it has started."""
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    return run, int(run.stdout.readline())


def ends(pid: int, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    return False


def test_a_contender_ends_in_the_midst_of_a_call(tmp_path: Path) -> None:
    run, pid = start(
        """
        import sys
        from pathlib import Path
        from torchless_bench.contenders.contender import Setup
        from torchless_bench.measuring.contender_process import ContenderProcess
        folder = Path(sys.argv[1])
        process = ContenderProcess("fake_contenders:load_endless", Setup(folder, folder, folder, 1), folder / "log")
        process.load()
        print(process._process.pid, flush=True)
        process.ask(do="answer", batches=[["a"]])
        """,
        str(tmp_path),
    )
    time.sleep(0.5)
    run.kill()
    run.communicate()
    assert ends(pid)


def test_a_server_ends(tmp_path: Path) -> None:
    run, pid = start(
        """
        import sys, time
        from pathlib import Path
        from torchless_bench.serving.process import ServerProcess
        command = [sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1"]
        print(ServerProcess(command, Path(sys.argv[1]) / "log", ready="/").process.pid, flush=True)
        time.sleep(600)
        """,
        str(tmp_path),
    )
    run.kill()
    run.communicate()
    assert ends(pid)
