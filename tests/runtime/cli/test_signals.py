"""Signals: what is half done is removed, and what C code makes of an interrupt is no failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")

SCRIPT = """
import os, signal, sys
import torchless.cli.info
from torchless.cli import main

def importing(options):
    try:
        os.kill(os.getpid(), int(os.environ["SIGNAL"]))
    except BaseException:
        pass
    raise ImportError("import numpy failed")

torchless.cli.info.run = importing
sys.exit(main())
"""


@pytest.fixture(autouse=True)
def _as_in_a_terminal() -> Iterator[None]:
    """What ignores a signal, such as nohup around the tests, has processes that ignore it too."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def importing(number: int) -> subprocess.CompletedProcess[str]:
    """A process that a signal reaches while it imports; none where the number is 0."""
    environment = {**os.environ, "SIGNAL": str(int(number))}
    command = [sys.executable, "-c", SCRIPT, "info", "bundle"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def waiting(tiny: Path, folder: Path, *before: str) -> subprocess.Popen[bytes]:
    """A process that writes a file, and waits for its second text."""
    command = [
        *before,
        sys.executable,
        "-m",
        "torchless",
        "predict",
        str(tiny),
        "-",
        "--output",
        str(folder / "out.txt"),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"good\n")
    process.stdin.flush()
    for _ in range(3000):
        if list(folder.iterdir()):
            break
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])  # the second: the terminal is closed
def test_a_signal_that_ends_the_process_leaves_no_temporary_file(
    tiny: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with waiting(tiny, tmp_path) as process:
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (128 + number, b"")
    assert list(tmp_path.iterdir()) == []


def test_with_nohup_the_work_goes_on(tiny: Path, tmp_path: Path) -> None:
    with waiting(tiny, tmp_path, "nohup") as process:
        process.send_signal(signal.SIGHUP)
        process.communicate(b"bad\n", timeout=30)
    assert process.returncode == 0
    assert len((tmp_path / "out.txt").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("number", "said"),
    [(signal.SIGINT, "torchless: interrupted\n"), (signal.SIGTERM, ""), (signal.SIGHUP, "")],
)
def test_an_import_that_a_signal_broke_is_no_failure(number: signal.Signals, said: str) -> None:
    done = importing(number)
    assert (done.returncode, done.stderr) == (128 + number, said)


def test_an_import_that_is_broken_by_itself_is_shown() -> None:
    done = importing(0)
    assert done.returncode == 1
    assert done.stderr.endswith("ImportError: import numpy failed\n")
