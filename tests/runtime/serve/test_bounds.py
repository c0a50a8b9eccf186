"""What a client sends is bounded before work is done on it, and no request keeps the event loop."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from torchless.serve.byte_budget import ByteBudget, Share
from torchless.serve.call import Call
from torchless.serve.dialects.openai import Embedding, Response, Usage
from torchless.serve.dialects.openinference import Response as OipResponse
from torchless.serve.dialects.tei import Token
from torchless.serve.dialects.tensors import Output
from torchless.serve.encoding import _PLACE, encode
from torchless.serve.errors import ClientLeftError, MalformedError, OverloadedError, TooLargeError
from torchless.serve.json_bounds import check_elements
from torchless.serve.settings import Settings

from .conftest import Server, rest

STALL_S = 1.5  # `torchless_bench.serving.faults` measures the 0.05 that are promised; tests share their CPUs
MODEL = "/v2/models/sst2-mini/infer"


@contextmanager
def stall(server: Server) -> Iterator[Callable[[], float]]:
    """The longest wait for /health meanwhile, in seconds."""
    longest, over = [0.0], threading.Event()

    def ask() -> None:
        while not over.is_set():
            begun_s = time.perf_counter()
            assert server.request("GET", "/health")[0] == 200
            longest[0] = max(longest[0], time.perf_counter() - begun_s)
            time.sleep(0.005)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield lambda: longest[0]
    finally:
        over.set()
        thread.join()


def tensor(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "t", "shape": [1], "datatype": "BYTES", "data": ["a"], **changes}]}


TOO_MUCH: dict[str, tuple[str, Any, int]] = {
    "dimensions": (MODEL, tensor(shape=[9] * 100_000), 413),
    "a few too many dimensions": (MODEL, tensor(shape=[9] * 1_000), 422),
    "large dimensions": (MODEL, tensor(shape=[2_000_000_000] * 8), 413),
    "a long dimension": (MODEL, tensor(shape=[10**1000]), 422),
    "empty lists": ("/predict", {"inputs": [[]] * 500_000}, 413),
    "deep lists": (MODEL, tensor(data=json.loads("[" * 900 + "]" * 900)), 422),
    "a long name": (MODEL, {**tensor(), "outputs": [{"name": "a\n" * 50_000}]}, 422),
    "many outputs": (MODEL, {**tensor(), "outputs": [{"name": "embedding"}] * 9}, 422),
    "a long choice": ("/v1/embeddings", {"input": "a", "encoding_format": "x" * 100_000}, 422),
    "a long model": ("/v1/embeddings", {"input": "a", "model": "x\n" * 50_000}, 404),
    "a long text": ("/predict", {"inputs": "a " * 200_000}, 413),
    "a long text to tokenise": ("/tokenize", {"inputs": "a " * 200_000}, 413),
}


@pytest.mark.parametrize("kind", TOO_MUCH)
def test_too_much_is_refused_in_one_line_and_at_once(server: Server, kind: str) -> None:
    path, body, expected = TOO_MUCH[kind]
    with stall(server) as longest:
        status, _, answer = server.request("POST", path, body)
        assert status == expected, answer[:300]
    assert len(answer) < 700
    assert "\n" not in str(json.loads(answer))
    assert longest() < STALL_S


ALLOWED: dict[str, tuple[str, Any]] = {
    "many texts": ("/embed", {"inputs": ["a"] * 1024}),
    "many texts in a tensor": (MODEL, {**tensor(shape=[1024], data=["a"] * 1024), "outputs": [{"name": "embedding"}]}),
    "commas in a text": ("/predict", {"inputs": ", " * 90_000 + '"' * 10_000}),
    "a long text": ("/predict", {"inputs": [["! " * 100_000], ["a"]]}),
    "tokens": ("/tokenize", {"inputs": ["! " * 10_000] * 3}),
    "texts and outputs": (MODEL, {**tensor(shape=[1024], data=["a"] * 1024), "outputs": [{"name": "embedding"}] * 8}),
    "the longest text": ("/predict", {"inputs": "! " * 100_000}),
    "unknown fields": ("/", {"inputs": "a", "parameters": {"top_k": 1}}),
}


@pytest.mark.parametrize("kind", ALLOWED)
def test_no_request_that_is_allowed_keeps_the_event_loop(server: Server, kind: str) -> None:
    path, body = ALLOWED[kind]
    with stall(server) as longest:
        server.post(path, body)
    assert longest() < STALL_S


def test_the_answer_is_the_same_wherever_it_is_made(server: Server) -> None:
    """Of many texts the answer is made aside, and by the same model."""
    (alone,) = server.post("/embed", {"inputs": ["good"]})
    assert server.post("/embed", {"inputs": ["good"] * 40}) == [pytest.approx(alone, abs=1e-4)] * 40


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"a": 1},
        [1.5] * 5000,
        [[0.25, float("nan")], []] * 3000,
        [[Token(1, "é", False, 0, 1)] * 3000, []],
        Response([Embedding(0, [0.5] * 3), Embedding(1, "abc")], "m", Usage(1, 1)),
    ],
)
def test_pieces_are_the_same_json(answer: Any) -> None:
    assert encode(answer) == msgspec.json.encode(answer)


def test_pieces_of_structs_within_structs_are_the_same_json() -> None:
    for outputs in ([Output("a", [2], "BYTES", data=["b", "c"])], [Output("a", [0], "BYTES", data=[])], []):
        answer = OipResponse("m", "1", outputs, _PLACE.decode())
        assert encode(answer) == msgspec.json.encode(answer)


def test_no_piece_that_is_encoded_at_once_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    class Spy:
        def encode(self, piece: Any) -> bytes:
            sizes.append(len(data := msgspec.json.encode(piece)))
            return data

    monkeypatch.setattr("torchless.serve.encoding._ENCODER", Spy())
    outputs = [Output("embedding", [100, 384], "FP32", data=[0.123456789] * 38400)] * 8
    answer = OipResponse("m", "1", outputs)
    assert encode(answer) == msgspec.json.encode(answer)
    assert max(sizes) < 50_000


def test_only_elements_outside_strings_count() -> None:
    check_elements(json.dumps([',"[{\\' * 1000] * 9).encode(), 10)
    check_elements(rb'["\\",["a\"],[",1]]', 4)
    with pytest.raises(TooLargeError):
        check_elements(rb'["\\",["a\"],[",1]]', 3)
    with pytest.raises(TooLargeError):
        check_elements(b"[[[]],[[]]]", 4)
    with pytest.raises(MalformedError, match="deep"):
        check_elements(b"[" * 5000, 100)


def test_a_budget_is_shared_and_one_alone_may_pass_it() -> None:
    budget = ByteBudget(100)
    first, second = Share(budget), Share(budget)
    first.take(100)
    first.take(50)
    with pytest.raises(OverloadedError, match="150 bytes"):
        second.take(1)
    first.give_all()
    third = Share(budget)
    second.take(60)
    with pytest.raises(OverloadedError):
        third.take(41)
    third.take(40)
    second.give_all()
    third.give_all()
    assert budget.held == 0


def test_connections_are_bounded(start: Callable[..., Server], tiny: Path) -> None:
    server = start(tiny, "--max-connections", 3)
    with ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(socket.create_connection((server.host, server.port), timeout=10))
            connection.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
        status, headers, answer = server.request("GET", "/health")
        assert status == 503
        assert json.loads(answer)["error_type"] == "Unhealthy"
        assert headers["retry-after"] == "1"
        connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert b'requests_total{route="unknown",status="503"} 1' in rest(connection)
    time.sleep(0.2)
    assert server.request("GET", "/health")[0] == 200


CHUNKED = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (CHUNKED + b"0\r\n" + b"x: y\r\n" * 100_000, b"431"),
        (CHUNKED + b"0\r\nx: " + b"y" * 400_000, b"431"),
        (CHUNKED + b"1;" + b"x" * 400_000, b"431"),
        (b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n" * 5_000, b""),
    ],
    ids=["trailers", "a trailer", "a part's name", "pipelined"],
)
def test_what_stands_around_a_body_is_bounded_too(server: Server, sent: bytes, answered: bytes) -> None:
    with stall(server) as longest, socket.create_connection((server.host, server.port), timeout=10) as connection:
        received = b""
        try:
            connection.sendall(sent)
            while data := connection.recv(65536):
                received += data
        except OSError:
            pass
        assert answered in received[:12]
        assert received.count(b"HTTP/1.1 200") < 5_000
    assert longest() < STALL_S


def test_a_body_in_parts_of_one_byte_is_read(server: Server) -> None:
    body = json.dumps({"inputs": "good " * 3000}).encode()
    parts = b"".join(b"1\r\n%c\r\n" % each for each in body)
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        connection.sendall(CHUNKED + parts + b"0\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_texts_that_are_repeated_are_bounded_together() -> None:
    call = SimpleNamespace(service=SimpleNamespace(settings=Settings(max_body_bytes=1000)))
    assert len(Call._listed(call, ["x" * 20] * 100)) == 100  # type: ignore[arg-type]
    with pytest.raises(TooLargeError, match="2000 characters in all texts"):
        Call._listed(call, ["x" * 20] * 101)  # type: ignore[arg-type]


def test_a_request_that_is_over_holds_nothing_whatever_still_works_for_it() -> None:
    budget = ByteBudget(100)
    share = Share(budget)
    share.take(60)
    share.give_all()
    with pytest.raises(ClientLeftError):
        share.take(10)
    share.give_all()
    assert (budget.held, budget.total) == (0, 0)
