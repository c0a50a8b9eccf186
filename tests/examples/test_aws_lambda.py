"""examples/aws_lambda in AWS's own runtime client, against a stand-in for the Lambda Runtime API.

The protocol: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "aws_lambda"
PREFIX = "/2018-06-01/runtime/"


class RuntimeApi:
    """What Lambda runs beside a function: it hands out events and takes answers, over HTTP."""

    def __init__(self) -> None:
        self._events: Queue[tuple[str, Any]] = Queue()
        self._answers: Queue[tuple[str, Any]] = Queue()
        self._count = 0
        api = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert self.path == f"{PREFIX}invocation/next"
                name, event = api._events.get()
                deadline = str(int(time.time() * 1000) + 60_000)
                headers = {
                    "Lambda-Runtime-Aws-Request-Id": name,
                    "Lambda-Runtime-Deadline-Ms": deadline,
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:000000000000:function:mini",
                }
                self._answer(200, json.dumps(event).encode(), headers)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                api._answers.put((self.path.removeprefix(PREFIX), json.loads(body)))
                self._answer(202, b'{"status":"OK"}', {})

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {
                    **headers,
                    "Content-Type": "application/json",
                    "Content-Length": str(len(body)),
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self._server.daemon_threads = True
        self._server.block_on_close = False  # one request is always waiting for the next event
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def invoke(self, event: Any) -> tuple[str, Any]:
        """Send an event; "response" or "error", and what the function answered."""
        self._count += 1
        self._events.put((f"request-{self._count}", event))
        kind, _, body = self.told().partition(" ")
        name, _, kind = kind.removeprefix("invocation/").partition("/")
        assert name == f"request-{self._count}"
        return kind, json.loads(body)

    def told(self) -> str:
        """The next thing that the function says: the path and its body."""
        path, body = self._answers.get(timeout=60)
        return f"{path} {json.dumps(body)}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


Start = Callable[..., RuntimeApi]


@pytest.fixture
def start(needs: Callable[[str], None]) -> Iterator[Start]:
    """Start AWS's bootstrap with the handler, as Lambda does, and hand over its Runtime API."""
    needs("awslambdaric")
    api = RuntimeApi()
    processes = []

    def start(model: Path) -> RuntimeApi:
        environment = {
            **os.environ,
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "mini",
            "MODEL": str(model),
            "PYTHONPATH": os.pathsep.join([str(FOLDER), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
            "NO_PROXY": "127.0.0.1",
        }
        command = [sys.executable, "-m", "awslambdaric", "handler.handler"]
        processes.append(subprocess.Popen(command, cwd=FOLDER, env=environment, stdout=subprocess.DEVNULL))
        return api

    yield start
    for process in processes:
        process.kill()
        process.wait()
    api.close()


def from_url(body: Any, *, encoded: bool = False) -> dict[str, Any]:
    """The event of a function URL, as far as the handler reads it."""
    text = body if isinstance(body, str) else json.dumps(body)
    text = base64.b64encode(text.encode()).decode() if encoded else text
    return {"version": "2.0", "rawPath": "/", "body": text, "isBase64Encoded": encoded}


def test_one_process_answers_invocation_after_invocation(start: Start, mini: Path) -> None:
    api = start(mini)
    for encoded in (False, True):
        kind, answer = api.invoke(from_url({"texts": ["What a delight", "I hate this so much"]}, encoded=encoded))
        assert (kind, answer["statusCode"]) == ("response", 200)
        predictions = json.loads(answer["body"])["predictions"]
        assert [each["label"] for each in predictions] == ["POSITIVE", "NEGATIVE"]
    assert json.loads(api.invoke(from_url({"texts": []}))[1]["body"]) == {"predictions": []}

    for wrong in ("{", "[]", {}, {"texts": "one"}, {"texts": [1]}, {"texts": None}, {"texts": ["x"] * 257}):
        kind, answer = api.invoke(from_url(wrong))
        assert (kind, answer["statusCode"]) == ("response", 400)
        assert "'texts'" in json.loads(answer["body"])["error"]

    without = {"version": "2.0", "rawPath": "/", "isBase64Encoded": False}  # as of a GET
    broken = {**without, "body": "not base 64!", "isBase64Encoded": True}
    for event in (without, {**without, "body": None}, broken, {"texts": ["not from a function URL"]}):
        kind, answer = api.invoke(event)
        assert (kind, answer["statusCode"]) == ("response", 400)

    kind, answer = api.invoke(["no event at all"])
    assert (kind, answer["errorType"]) == ("error", "AttributeError")
    assert api.invoke(from_url({"texts": ["What a delight"]}))[0] == "response"  # and it goes on


def test_a_damaged_bundle_ends_the_start_with_a_reason(start: Start, tiny_copy: Path) -> None:
    weights = next(tiny_copy.glob("weights.*"))
    content = bytearray(weights.read_bytes())
    content[0] ^= 1
    for path in tiny_copy.glob("weights.*"):
        path.write_bytes(content if path == weights else b"")
    told = start(tiny_copy).told()
    assert told.startswith("init/error ")
    assert "IntegrityError" in told
    assert "was altered or damaged" in told
