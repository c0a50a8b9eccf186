"""An application that was made before a fork, as `gunicorn --preload` makes it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from torchless import Classifier

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
PROGRAM = """
import json, os, socket, sys, time
import uvicorn
from torchless.serve import create_app
from torchless.serve.settings import Settings
application = create_app({"m": sys.argv[1]}, Settings(**json.loads(sys.argv[2]), request_timeout_s=10.0, api_key="key"))
listening = socket.create_server(("127.0.0.1", 0))
time.sleep(0.5)  # until the threads of sessions sleep
if os.fork() == 0:
    uvicorn.Server(uvicorn.Config(application, log_level="warning", lifespan="off")).run(sockets=[listening])
    os._exit(0)
print(listening.getsockname()[1], flush=True)
listening.close()
os.wait()
"""


@contextmanager
def forked(model: Path, **settings: int) -> Iterator[int]:
    """The port of a server that runs in a fork of the process that made it."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(model), json.dumps(settings)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def ask(port: int, path: str, body: dict[str, object]) -> Any:
    headers = {"content-type": "application/json", "authorization": "Bearer key"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def post(port: int, inputs: list[list[str]]) -> list[list[dict[str, object]]]:
    found: list[list[dict[str, object]]] = ask(port, "/predict", {"inputs": inputs})
    return found


@pytest.mark.parametrize("settings", [{}, {"threads": 2}, {"lone_threads": 2}])
def test_it_answers_in_the_child(mini: Path, settings: dict[str, int]) -> None:
    texts = ["What a delight", "I hate this so much", "! " * 400]
    expected = Classifier.load(mini).rank(texts)
    with forked(mini, **settings) as port:
        for _ in range(3):
            answer = post(port, [[text] for text in texts])
            for got, wanted in zip(answer, expected, strict=True):
                assert [each["label"] for each in got] == [each.label for each in wanted]
                assert [each["score"] for each in got] == pytest.approx([each.score for each in wanted], abs=1e-6)


def test_it_can_be_loaded_again_in_the_child(mini: Path) -> None:
    """Freeing a session that has threads would wait for them for ever; the child has not got them."""
    with forked(mini, lone_threads=2) as port:
        for _ in range(2):
            assert post(port, [["good"]])
            assert ask(port, "/admin/reload", {})
        assert post(port, [["good"]])


def test_the_socket_is_not_needed_by_the_parent(mini: Path) -> None:
    with forked(mini) as port, socket.create_connection(("127.0.0.1", port), timeout=5):
        assert post(port, [["good"]])
