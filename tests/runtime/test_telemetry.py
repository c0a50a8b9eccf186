"""Nothing leaves the machine, and nothing is left in a home directory."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

VARIABLES = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY")
SHOW = f"import os; print([os.environ.get(name) for name in {VARIABLES}])"


def test_what_watches_sees_files_and_connections(fresh_home: Any) -> None:
    code = "import socket; open('file', 'w'); socket.socket().connect_ex(('127.0.0.1', 9))"
    fresh_home.run("-c", code)
    file, connection = fresh_home.traces()
    assert file == "work/file"
    assert connection.startswith("socket.connect")


@pytest.mark.parametrize(
    "code",
    [
        "from torchless import Classifier; Classifier.load({!r}).predict(['good'])",
        "from torchless import Encoder; Encoder.load({!r}).embed(['good'])",
        "from torchless.compat import pipeline; pipeline('text-classification', {!r})('good')",
        "import torchless, onnxruntime; onnxruntime.InferenceSession({!r} + '/classifier.fp32.onnx')",
    ],
)
def test_the_library_leaves_no_trace(fresh_home: Any, tiny: Path, code: str) -> None:
    fresh_home.run("-c", code.format(str(tiny)))
    assert fresh_home.traces() == []


@pytest.mark.parametrize("command", [["predict", "good"], ["embed", "good"], ["verify"], ["info"]])
def test_the_command_line_leaves_no_trace(fresh_home: Any, tiny: Path, command: list[str]) -> None:
    fresh_home.run("-m", "torchless", command[0], tiny, *command[1:])
    assert fresh_home.traces() == []


def test_the_server_leaves_no_trace(fresh_home: Any, tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    log = tmp_path / "log"
    command = [sys.executable, "-m", "torchless", "serve", "--port", "0", str(tiny)]
    with log.open("wb") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file, env=fresh_home.environment, cwd=fresh_home.work)
    try:
        end = time.monotonic() + 30
        while b'"ready"' not in log.read_bytes() and server.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        ready = next(line for line in map(json.loads, log.read_bytes().splitlines()) if line["event"] == "ready")
        connection = http.client.HTTPConnection(ready["address"].removeprefix("http://"), timeout=30)
        connection.request("POST", "/predict", json.dumps({"inputs": "good"}), {"content-type": "application/json"})
        assert connection.getresponse().status == 200
        connection.close()
        server.terminate()
        assert server.wait(20) == 0
    finally:
        server.kill()
    assert fresh_home.traces() == []


def test_the_library_turns_off_onnxruntime_s_alone(fresh_home: Any) -> None:
    assert fresh_home.run("-c", f"import torchless; {SHOW}").strip() == "['1', None]"
    assert fresh_home.run("-c", f"import torchless; {SHOW}", ORT_DISABLE_TELEMETRY="").strip() == "['1', None]"


def test_our_own_processes_turn_off_the_others_too(fresh_home: Any) -> None:
    code = f"import sys; from torchless.cli import main; sys.argv[1:] = ['info', 'nowhere']; main(); {SHOW}"
    assert fresh_home.run("-c", code).strip() == "['1', '1']"


def test_a_user_can_turn_them_on(fresh_home: Any) -> None:
    code = f"import sys; from torchless.cli import main; sys.argv[1:] = ['info', 'nowhere']; main(); {SHOW}"
    assert fresh_home.run("-c", code, **dict.fromkeys(VARIABLES, "0")).strip() == "['0', '0']"
