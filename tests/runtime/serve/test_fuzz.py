"""Random requests: from the OpenAPI document, and broken ones on the wire. None may be answered 5xx.

The first test needs schemathesis (`pip install --group fuzz`), and skips without it; `./task fuzz` fails then.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Server, serving

SECONDS = int(os.environ.get("FUZZ_SECONDS", "30"))
BROKEN_REQUESTS = 3000
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
CONFIGURATION = """
[parameters]
"path.name" = "nli"
"path.version" = "1"
"""


@pytest.fixture(scope="module")
def fuzzed(
    tiny: Path, mini: Path, tmp_path_factory: pytest.TempPathFactory, sign: Callable[[dict[str, Any]], bytes]
) -> Iterator[Server]:
    """A server whose first model reads every kind of request: one for natural language inference."""
    folder = tmp_path_factory.mktemp("fuzzed")
    shutil.copytree(tiny, folder / "nli")
    fields = json.loads((tiny / "manifest.json").read_bytes())
    fields |= {"labels": ["entailment", "neutral", "contradiction"]}
    (folder / "nli" / "manifest.json").write_bytes(sign(fields))
    with serving(folder, folder / "nli", mini, "--read-timeout-s", 1, "--drain-s", 0) as running:
        yield running
    events = running.events()
    assert [event for event in events if event.get("status", 200) >= 500] == []
    assert [event for event in events if event["level"] == "error"] == []


def test_requests_made_from_the_document_are_never_5xx(fuzzed: Server, tmp_path: Path) -> None:
    program = shutil.which("schemathesis", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH')}")
    if program is None:
        assert "REQUIRE_FUZZ" not in os.environ, "schemathesis is not installed"
        pytest.skip("needs schemathesis: pip install --group fuzz")
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    command = [program, "--config-file", "schemathesis.toml", "run", f"{fuzzed.address}/openapi.json"]
    command += ["--checks", CHECKS, "--max-time", str(SECONDS), "--no-color", "--continue-on-failure"]
    command += ["--header", "Connection: close"]
    if "FUZZ_RANDOM" not in os.environ:  # as in tests/runtime/test_fuzz.py
        command += ["--seed", "18"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=4 * SECONDS + 60, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


BODIES: dict[str, Any] = {
    "/predict": {"inputs": [["a"], ["b", "c"]], "truncate": True, "raw_scores": False},
    "/embed": {"inputs": ["a", "b"], "normalize": True, "dimensions": None},
    "/tokenize": {"inputs": "a", "add_special_tokens": True},
    "/": {"inputs": "a", "parameters": {"candidate_labels": ["a", "b"], "hypothesis_template": "{}"}},
    "/models/nli": {"inputs": "a", "parameters": {"top_k": 2, "function_to_apply": "sigmoid"}},
    "/zero-shot": {"inputs": ["a"], "candidate_labels": ["a"], "multi_label": True},
    "/classify": {"model": "nli", "input": ["a"], "use_activation": True},
    "/v1/embeddings": {"model": "nli", "input": "a", "encoding_format": "base64", "dimensions": 1},
    "/v2/models/nli/infer": {
        "inputs": [{"name": "t", "shape": [1], "datatype": "BYTES", "data": ["a"]}],
        "outputs": [{"name": "scores", "parameters": {"classification": 1, "binary_data": True}}],
        "parameters": {"binary_data_output": True},
    },
}
HEADS = [
    b"Content-Type: application/json",
    b"Content-Encoding: identity",
    b"Expect: 100-continue",
    b"Connection: Upgrade\r\nUpgrade: h2c",
    b"Inference-Header-Content-Length: 40",
    b"X-Request-Id: mine",
    b"Authorization: Bearer x",
    b"User-Agent: unknown/None; hf_hub/1.1.5; python/3.11",
    b"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
]
VALUES = [b"1e999", b"[" * 3000, b"null", b'"\\ud800"', b'{"a":[]}', b"-0", b"9" * 5000, b'""', b"true", b"[]", b"1.5"]
JUNK = [
    b"\x00",
    b"\xff",
    b"\r\n",
    b"\r\n\r\n",
    b":",
    b" ",
    b'"',
    b"{",
    b"]",
    b",",
    b"\\",
    b"%",
    b"\xe2\x80\xae",
    b"A" * 999,
]


def broken(chance: random.Random) -> bytes:
    """A request whose parts are all known, with one to four mutations."""
    path = chance.choice(list(BODIES))
    body = json.dumps(BODIES[path]).encode()
    if chance.random() < 0.7:
        body = re.sub(rb'"a"|\d+|true', lambda found: chance.choice([found[0], *VALUES]), body)
    lines = [b"POST %s HTTP/1.%d" % (path.encode(), chance.random() < 0.9), b"Host: x", HEADS[0]]
    lines += chance.sample(HEADS[1:], chance.randint(0, 3))
    if chance.random() < 0.3:
        lines.append(b"Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        lines.append(b"Content-Length: %d" % len(body))
    whole = b"\r\n".join(lines) + b"\r\n\r\n" + body
    for _ in range(chance.choice([0, 1, 1, 2, 4])):
        place, length = chance.randrange(len(whole) + 1), chance.randint(0, 6)
        whole = whole[:place] + chance.choice([b"", chance.choice(JUNK)]) + whole[place + length :]
    return whole


def test_broken_requests_are_never_5xx(fuzzed: Server) -> None:
    chance = random.Random(18)
    for number in range(BROKEN_REQUESTS):
        sent = broken(chance)
        with socket.create_connection((fuzzed.host, fuzzed.port), timeout=10) as connection:
            try:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda: connection.recv(100_000), b""))
            except ConnectionError:  # refused before all was sent
                continue
        statuses = [int(line.split(b" ")[1]) for line in re.findall(rb"HTTP/1\.1 \d{3} ", answer)]
        assert all(status < 500 for status in statuses), (number, sent, answer[:500])
    assert fuzzed.request("GET", "/ready")[0] == 200
