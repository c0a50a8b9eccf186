"""A model in a process that was forked while it ran."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from torchless.errors import InferenceError
from torchless.running.forks import Runs
from torchless.running.session import Session

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
PROGRAM = """
import os, signal, sys, threading
from torchless import Classifier

model = Classifier.load(sys.argv[1], threads=2)
texts = ["good", "a bad film"]
expected = model.logits(texts)
inside, leave = threading.Event(), threading.Event()

def answers_in_a_fork():
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        works = (question() == expected).all()
        os._exit(0 if works else 3)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)

def while_another_does(work):
    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    answers_in_a_fork()
    leave.set()
    thread.join()

question = lambda: model.logits(texts)
"""
# A lock as onnxruntime has them: held by a thread that the fork does not copy.
LOCKED = """
class Locking:
    def __init__(self, session):
        self.session, self.lock = session, threading.Lock()

    def run(self, *arguments):
        with self.lock:
            inside.set()
            leave.wait()
            return self.session.run(*arguments)
"""


def forked(bundle: Path, lines: str) -> list[str]:
    """What a program printed."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM + lines, str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    return done.stdout.split()


def test_a_session_that_was_running_is_made_anew(tiny: Path) -> None:
    lines = """
model.session._session = Locking(model.session._session)
while_another_does(question)
answers_in_a_fork()  # of a process in which nothing runs any more
print((question() == expected).all())
"""
    assert forked(tiny, LOCKED + lines) == ["0", "0", "True"]


def test_a_session_that_nobody_was_running_is_kept_with_its_memory(tiny: Path) -> None:
    lines = """
kept = model.session._session
ask = question
def question():
    answer = ask()
    return answer if model.session._session is kept else answer * 2
answers_in_a_fork()
"""
    assert forked(tiny, lines) == ["0"]


def test_a_session_with_other_threads_that_was_being_made_is_made_in_the_child(tiny: Path) -> None:
    lines = """
made = model.session._make_another
def make(threads):
    if not inside.is_set():
        inside.set()
        leave.wait()
    return made(threads=threads)
model.session._make_another = make
batch = model.tokenizer.encode(texts)
question = lambda: model.session.with_threads(1).run(batch)
expected = made(threads=1).run(batch)
while_another_does(lambda: model.session.with_threads(1))
"""
    assert forked(tiny, lines) == ["0"]


def test_runs_know_whether_a_fork_cut_them_off() -> None:
    idle, running, on_a_gpu = Runs(survive_forks=True), Runs(survive_forks=True), Runs(survive_forks=False)
    with running:
        for runs in (idle, running, on_a_gpu):
            runs.note_fork()
    assert [runs.cut_off for runs in (idle, running, on_a_gpu)] == [False, True, True]
    running.note_fork()  # of the fork
    assert running.cut_off


def test_a_gpu_does_not_survive_a_fork(tiny: Path, batch_of: object, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(tiny / "classifier.fp32.onnx", device="cpu", threads=1)
    monkeypatch.setattr(session, "_device", "cuda")
    monkeypatch.setattr(session._runs, "cut_off", True)
    with pytest.raises(InferenceError, match=r"on a GPU, and this process was forked.*get_context\('spawn'\)"):
        session.run(batch_of([2]))  # type: ignore[operator]
