"""What an operator sees: limits, back-pressure, keys, readiness, reloading, draining, logs."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from torchless import Classifier
from torchless.cli import main
from torchless.errors import InputError
from torchless.serve.settings import Settings

from .conftest import Server, serving

Start = Callable[..., Server]
KEY = {"authorization": "Bearer sesame"}
LONG = "never again " * 300


# Limits and back-pressure


@pytest.fixture(scope="module")
def strict(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of narrow limits and little patience."""
    limits = "--max-batch-texts 3 --max-body-bytes 1000 --max-queue-tokens 100 --read-timeout-s 0.3 --drain-s 0"
    with serving(tmp_path_factory.mktemp("strict"), tiny, *limits.split()) as running:
        yield running


def test_too_much_is_413(strict: Server) -> None:
    assert strict.request("POST", "/embed", {"inputs": ["a"] * 4})[0] == 413
    assert strict.request("POST", "/predict", {"inputs": "a" * 2000})[0] == 413
    assert strict.request("POST", "/embed", {"inputs": ["! " * 150] * 3})[0] == 413  # more tokens than may ever wait
    assert strict.request("POST", "/predict", {"inputs": "a"})[0] == 200


def test_a_body_that_is_too_large_is_not_read(strict: Server) -> None:
    with socket.create_connection((strict.host, strict.port), timeout=10) as connection:
        head = (
            "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_is_bounded_too(strict: Server) -> None:
    connection = http.client.HTTPConnection(strict.host, strict.port, timeout=10)
    headers = {"content-type": "application/json"}
    connection.request("POST", "/predict", (b"x" * 600 for _ in range(2)), headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_full_queue_is_429_with_retry_after_and_recovers(start: Start, mini: Path) -> None:
    server = start(mini, "--max-queue-tokens", 2048, "--workers", 1)
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: server.request("POST", "/predict", {"inputs": LONG}), range(32)))
    statuses = [status for status, _, _ in answers]
    assert set(statuses) == {200, 429}
    refusals = [(headers, json.loads(body)) for status, headers, body in answers if status == 429]
    assert all(int(headers["retry-after"]) >= 1 for headers, _ in refusals)
    assert all(body["error_type"] == "Overloaded" for _, body in refusals)
    assert server.request("POST", "/predict", {"inputs": LONG})[0] == 200
    assert server.metric("torchless_queue_tokens") == 0
    assert server.metric("te_queue_size") == 0


def test_a_list_and_a_lone_text_are_admitted_by_the_same_rule(start: Start, mini: Path) -> None:
    """What is queued may not pass the limit, however many requests it comes in."""
    server = start(mini, "--max-queue-tokens", 2048, "--workers", 1)
    with ThreadPoolExecutor(24) as pool:
        lists = pool.map(lambda _: server.request("POST", "/embed", {"inputs": [LONG] * 2})[0], range(12))
        singles = pool.map(lambda _: server.request("POST", "/embed", {"inputs": LONG})[0], range(12))
        assert set(lists) | set(singles) == {200, 429}


def test_what_takes_too_long_is_503(start: Start, mini: Path) -> None:
    server = start(mini, "--request-timeout-s", 0.05, "--workers", 1)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: server.request("POST", "/predict", {"inputs": LONG}), range(16)))
    late = [headers for status, headers, _ in answers if status == 503]
    assert late
    assert {status for status, _, _ in answers} <= {200, 503}
    assert all(int(headers["retry-after"]) >= 1 for headers in late)


def test_a_client_that_left_costs_no_compute(start: Start, mini: Path) -> None:
    server = start(mini, "--workers", 1)
    body = json.dumps({"inputs": [[LONG]] * 8}).encode()
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    connections = [socket.create_connection((server.host, server.port), timeout=10) for _ in range(4)]
    for connection in connections:
        connection.sendall(head.encode() + body)
    while server.metric("te_queue_size") < 3:  # the first is at work, three wait
        time.sleep(0.005)
    for connection in connections[1:]:
        connection.close()
    assert connections[0].recv(15) == b"HTTP/1.1 200 OK"
    connections[0].close()
    assert server.request("POST", "/predict", {"inputs": "good"})[0] == 200
    assert server.metric("torchless_queue_tokens") == 0
    left = [event for event in server.events() if event.get("status") == 499]
    assert len(left) == 3
    assert server.metric("te_batch_next_tokens_sum") < 3 * 8 * 512


def test_a_long_list_does_not_hold_up_a_lone_text(start: Start, mini: Path) -> None:
    server = start(mini, "--workers", 1, "--max-queue-tokens", 1_000_000)
    done: list[str] = []

    def ask(name: str, inputs: Any) -> None:
        server.post("/embed", {"inputs": inputs})
        done.append(name)

    long = threading.Thread(target=ask, args=("list", [LONG] * 10))
    long.start()
    while server.metric("te_batch_next_size_count") == 0:
        time.sleep(0.005)
    ask("lone", "good")
    long.join()
    assert done == ["lone", "list"]


# Slow and broken clients


def connect(server: Server, data: bytes) -> socket.socket:
    connection = socket.create_connection((server.host, server.port), timeout=10)
    connection.sendall(data)
    return connection


HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 20\r\n"


@pytest.mark.parametrize("sent", [b"", b"POST /pre", HEAD, HEAD + b"\r\n", HEAD + b'\r\n{"inputs"'])
def test_a_client_that_never_finishes_is_sent_away(strict: Server, sent: bytes) -> None:
    with connect(strict, sent) as connection:
        answer = b"".join(iter(lambda: connection.recv(1000), b""))
    assert answer == b"" if not sent else answer.startswith(b"HTTP/1.1 408 ")
    assert strict.request("POST", "/predict", {"inputs": "a"})[0] == 200


def test_a_drip_of_bytes_does_not_extend_the_time(strict: Server) -> None:
    with connect(strict, HEAD) as connection:
        connection.settimeout(0.05)
        answer = b""
        for _ in range(100):
            try:
                connection.sendall(b"x")
                answer = connection.recv(100)
                break
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_headers_are_bounded(server: Server) -> None:
    with connect(server, b"GET /health HTTP/1.1\r\nhost: x\r\nx-filler: " + b"x" * 20_000) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 431 ")
    with connect(server, b"GET /" + b"x" * 20_000) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 431 ")


def test_several_requests_use_one_connection(server: Server) -> None:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    for _ in range(5):
        connection.request("POST", "/predict", json.dumps({"inputs": "x" * 9000}), {"content-type": "application/json"})
        assert connection.getresponse().read()
    connection.close()


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    requests = [
        b"POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"x-request-id: %d\r\ncontent-length: 13\r\n\r\n" % i + b'{"inputs":""}'
        for i in range(3)
    ]
    with connect(server, b"".join(requests)) as connection:
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 3:
            received += connection.recv(100_000)
    ids = [line for line in received.split(b"\r\n") if line.startswith(b"x-request-id")]
    assert ids == [b"x-request-id: 0", b"x-request-id: 1", b"x-request-id: 2"]


# Keys


def test_with_a_key_everything_but_health_asks_for_it(start: Start, tiny: Path) -> None:
    server = start(tiny, TORCHLESS_API_KEY="sesame")
    for path in ("/health", "/ready", "/v2/health/live", "/docs", "/"):
        assert server.request("GET", path)[0] == 200
    for path in ("/info", "/metrics", "/status", "/v2", "/v1/models"):
        status, headers, _ = server.request("GET", path)
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert server.request("GET", path, None, KEY)[0] == 200
    for wrong in ("Bearer sesam", "Bearer", "sesame", "Basic sesame", "Bearer s\xe9same"):
        headers = {"authorization": wrong}
        assert server.request("POST", "/predict", {"inputs": "good"}, headers)[0] == 401
    assert server.post("/predict", {"inputs": "good"}, KEY)


# Readiness, reloading, draining


def test_reload_swaps_a_verified_bundle_and_loses_nothing(start: Start, tiny: Path, mini: Path, tmp_path: Path) -> None:
    current = tmp_path / "current"
    current.symlink_to(tiny)
    server = start(f"tiny={current}", "--api-key", "sesame")
    stop, statuses = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            statuses.append(server.request("POST", "/predict", {"inputs": "good"}, KEY)[0])

    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(ask)
        before = server.get("/info", KEY)["models"][0]["sha256"]
        (tmp_path / "next").symlink_to(mini)
        (tmp_path / "next").replace(current)
        (reloaded,) = server.post("/admin/reload", {}, KEY)
        stop.set()
    assert set(statuses) == {200}
    assert reloaded["name"] == "tiny"
    assert reloaded["sha256"] != before
    assert [row["label"] for row in server.post("/predict", {"inputs": "good"}, KEY)] == ["POSITIVE", "NEGATIVE"]


def test_a_corrupted_bundle_is_not_swapped_in(start: Start, tiny_copy: Path) -> None:
    server = start(tiny_copy, "--api-key", "sesame")
    expected = server.post("/predict", {"inputs": "good"}, KEY)
    temporary = tiny_copy / "new"
    temporary.write_bytes((tiny_copy / "weights.int8").read_bytes()[:-1] + b"\x7f")
    temporary.replace(tiny_copy / "weights.int8")  # a new file: the old one stays mapped
    status, _, body = server.request("POST", "/admin/reload", {"model": "tiny"}, KEY)
    assert status == 409
    assert "the bundle cannot be used (IntegrityError)" in json.loads(body)["error"]
    assert str(tiny_copy) not in body.decode()
    os.kill(server.process.pid, signal.SIGHUP)
    event = server.wait_for("reload failed; the models that ran before go on")
    assert "weights.int8 was altered or damaged" in event["error"]
    assert server.get("/ready") == {"status": "ready"}
    assert server.post("/predict", {"inputs": "good"}, KEY) == expected


def test_sighup_reloads(start: Start, tiny: Path) -> None:
    server = start(tiny)
    os.kill(server.process.pid, signal.SIGHUP)
    assert server.wait_for("model reloaded")["model"] == "tiny"


def test_reloading_is_not_there_without_a_key(server: Server) -> None:
    assert server.request("POST", "/admin/reload", {})[0] == 404


def test_sigterm_finishes_what_was_begun_and_is_not_ready_meanwhile(start: Start, mini: Path) -> None:
    server = start(mini, "--workers", 1, "--drain-s", 1)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(server.request, "POST", "/embed", {"inputs": [LONG] * 2}) for _ in range(4)]
        while server.metric("te_queue_size") == 0:
            time.sleep(0.005)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("draining")
        status, headers, body = server.request("GET", "/ready")
        assert (status, json.loads(body), headers["connection"]) == (503, {"status": "draining"}, "close")
        assert server.request("GET", "/health")[0] == 200
        assert [each.result()[0] for each in asked] == [200] * 4
    assert server.process.wait(20) == 0


def test_ctrl_c_ends_cleanly(start: Start, tiny: Path) -> None:
    server = start(tiny)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20) == 0
    assert "Traceback" not in str(server.events())


def test_a_bundle_that_cannot_be_served_ends_the_server(tiny_copy: Path) -> None:
    (tiny_copy / "golden.json").write_bytes(b"{}")
    command = [sys.executable, "-m", "torchless", "serve", str(tiny_copy), "--port", "0"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert b"torchless: " in done.stderr
    assert b"golden.json was altered or damaged" in done.stderr
    assert b"Traceback" not in done.stderr


def test_it_listens_on_a_unix_socket(start: Start, tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    start(tiny, "--uds", path)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b"GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_wrong_usage_exits_with_2(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments, complaint in (
        ([], "expected one bundle or more"),
        ([str(tiny), "--port", "many"], "--port: expected a whole number, got 'many'"),
        ([str(tiny), "--workers", "0"], "workers: expected a number of 1 or more, got 0"),
        ([str(tiny), "--precision", "int4"], "precision: expected one of auto, fp32, fp16, int8, got 'int4'"),
        ([str(tiny), str(tiny)], "two models are called 'tiny'"),
    ):
        assert main(["serve", *arguments]) == 2
        assert complaint in capsys.readouterr().err
    monkeypatch.setenv("TORCHLESS_THREADS", "some")
    assert main(["serve", str(tiny)]) == 2
    assert "TORCHLESS_THREADS: expected a whole number, got 'some'" in capsys.readouterr().err


# Logs and metrics


def test_logs_are_json_lines_with_a_request_id_and_never_the_text(start: Start, tiny: Path) -> None:
    server = start(tiny)
    _, headers, _ = server.request("POST", "/predict", {"inputs": "a secret"}, {"x-request-id": "mine-7"})
    assert headers["x-request-id"] == "mine-7"
    _, headers, _ = server.request("POST", "/predict", {"inputs": "a secret"}, {"x-request-id": "no\tgood"})
    assert len(headers["x-request-id"]) == 32
    server.request("POST", "/predict", b'{"inputs": "a secret"', {"content-type": "application/json"})
    server.request("POST", "/predict", {"inputs": {"a secret": 1}})
    assert server.stop() == 0
    requests = [event for event in server.events() if event["event"] == "request"]
    assert [event["status"] for event in requests] == [200, 200, 400, 422]
    assert requests[0]["request_id"] == "mine-7"
    assert requests[0]["texts"] == 1
    assert requests[0]["total_ms"] >= requests[0]["inference_ms"] > 0
    assert requests[2]["error"] == "MalformedError"
    assert "secret" not in json.dumps(server.events())


def test_metrics_count_requests_texts_tokens_and_times(start: Start, tiny: Path) -> None:
    server = start(tiny)
    server.post("/predict", {"inputs": [["good"], ["! " * 100]]})
    server.request("POST", "/predict", {"inputs": 3})
    assert server.metric('torchless_requests_total{route="/predict",status="200"}') == 1
    assert server.metric('torchless_requests_total{route="/predict",status="422"}') == 1
    assert server.metric("torchless_texts_total") == 2
    assert server.metric("torchless_truncated_texts_total") == 1
    assert server.metric("torchless_tokens_total") == server.metric("te_request_input_length_sum") > 64
    for step in ("", "_tokenization", "_queue", "_inference"):
        assert server.metric(f"te_request{step}_duration_count") == 1
        assert server.metric(f"te_request{step}_duration_sum") > 0
    assert server.metric("te_batch_next_tokens_sum") == server.metric("torchless_tokens_total")
    assert server.metric("torchless_ready") == 1


def test_wrong_paths_and_methods_are_logged_and_counted(start: Start, tiny: Path) -> None:
    server = start(tiny, TORCHLESS_API_KEY="sesame")
    for method, path in (("POST", "/nope"), ("GET", "/v2/nope/a%20secret"), ("DELETE", "/predict")):
        _, headers, _ = server.request(method, path, None, {"x-request-id": "mine"})
        assert headers["x-request-id"] == "mine"
        assert headers["x-content-type-options"] == "nosniff"
    metrics = server.request("GET", "/metrics", None, KEY)[2].decode()
    assert 'torchless_requests_total{route="unknown",status="404"} 2.0' in metrics
    assert 'torchless_requests_total{route="/predict",status="405"} 1.0' in metrics
    assert server.stop() == 0
    requests = [event for event in server.events() if event["event"] == "request"]
    assert [(event["route"], event["status"]) for event in requests[:3]] == [
        ("unknown", 404),
        ("unknown", 404),
        ("/predict", 405),
    ]
    assert "secret" not in json.dumps(server.events())


# In an application of one's own


@pytest.mark.parametrize("place", ["/models", "/{name}/{version}"])
def test_it_can_be_mounted_in_another_application(tiny: Path, place: str) -> None:
    """Parameters of the path that it is mounted at name no model of its own."""
    import asyncio

    from starlette.applications import Starlette
    from starlette.routing import Mount

    from torchless.serve import create_app

    app = Starlette(routes=[Mount(place, create_app(tiny))])

    async def ask() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        body = json.dumps({"inputs": "good"}).encode()
        messages = [{"type": "http.request", "body": body}]
        never = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await never.wait()
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        path = f"{place.format(name='nothing', version='2')}/predict"
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
        await app(scope, receive, send)
        return sent

    start, body = asyncio.run(ask())
    assert start["status"] == 200
    best = Classifier.load(tiny).predict(["good"])[0]
    assert json.loads(body["body"])[0] == {"score": best.score, "label": best.label}


def test_settings_refuse_what_makes_no_sense() -> None:
    with pytest.raises(InputError, match="budget_tokens: expected a number of 1 or more, got 0"):
        Settings(budget_tokens=0)
