"""examples/fastapi_app.py under uvicorn, as its docstring says."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def call(url: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.fixture
def url(needs: Callable[[str], None]) -> Iterator[str]:
    needs("fastapi")
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", "examples", "fastapi_app:app", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "NO_PROXY": "127.0.0.1"}) as server:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None, "the application ended before it answered"
                time.sleep(0.1)
        yield url
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) in (0, -signal.SIGTERM)


def test_the_server_and_the_route_answer_beside_each_other(url: str) -> None:
    status, answer = call(f"{url}/models/predict", {"inputs": "What a delight"})
    assert (status, answer[0]["label"]) == (200, "POSITIVE")
    with ThreadPoolExecutor(8) as pool:  # the route runs in several threads on one classifier
        reviews = [{"author": "Ann", "text": text} for text in ["What a delight", "I hate this so much"] * 8]
        answers = list(pool.map(lambda review: call(f"{url}/reviews", review), reviews))
    assert {status for status, _ in answers} == {200}
    assert [review["label"] for _, review in answers] == ["POSITIVE", "NEGATIVE"] * 8
    assert len({json.dumps(answer) for answer in answers}) == 2
    assert answers[0][1] == {
        "author": "Ann",
        "label": "POSITIVE",
        "score": pytest.approx(0.978, abs=0.01),
        "truncated": False,
    }
    assert call(f"{url}/models/health")[0] == 200
    assert call(f"{url}/reviews", {"author": "Ann"})[0] == 422
    assert call(f"{url}/models/predict", {"inputs": 1})[0] == 422
