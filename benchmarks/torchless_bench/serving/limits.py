"""The largest requests that a server's limits allow: how long /health waits for them, and what memory they take."""

from __future__ import annotations

import http.client
import json
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torchless.running.threads import available_threads
from torchless.serve.settings import Settings
from torchless_bench.serving.process import ServerProcess
from torchless_bench.serving.report import counted

INFER = "/v2/models/model/infer"
STALL_MS = 50
_ROUNDS = 3
_MIB = 1 << 20
# What docs/serving.md gives for the memory of a server, in bytes.
_PER_HELD_BYTE, _PER_CONNECTION, _PER_CHARACTER, _WORKER_CHARACTERS = 6, 131_072, 400, 40_000


@dataclass(frozen=True)
class Case:
    """A request.

    Attributes:
        body: JSON, or bytes.
        headers: besides those that every request has.
    """

    name: str
    path: str
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    def data(self) -> bytes:
        """The body's bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, ensure_ascii=False).encode()


def largest(limits: Settings) -> list[Case]:
    """Requests at every limit, and just beyond some."""
    texts, longest, body = limits.max_batch_texts, limits.max_text_characters, limits.max_body_bytes - 1000
    many = {"name": "t", "shape": [texts], "datatype": "BYTES", "data": ["a"] * texts}
    return [
        Case("as many texts as allowed, as vectors", "/embed", {"inputs": ["a"] * texts}),
        Case("as many texts as allowed, all labels", "/predict", {"inputs": [["a"]] * texts}),
        Case("as many texts and outputs as allowed", INFER, {"inputs": [many], "outputs": [{"name": "embedding"}] * 8}),
        Case("the longest text", "/predict", {"inputs": ("! " * longest)[:longest]}),
        Case("the longest text in other letters", "/predict", {"inputs": "\U0001f600" * min(longest, body // 4)}),
        Case("long texts up to the largest body", "/predict", {"inputs": [["a " * 5000]] * (body // 10_010)}),
        Case("as many tokens as allowed", "/tokenize", {"inputs": ["! " * 1000] * (limits.max_queue_tokens // 1002)}),
        Case("too many tokens", "/tokenize", {"inputs": ("! " * longest)[:longest]}),
        Case("a text of commas and quotes", "/predict", {"inputs": ',"' * (longest // 2)}),
        Case("as many elements as allowed", "/predict", {"inputs": [[]] * (limits.max_json_elements - 10)}),
        Case("a body of empty lists", "/predict", {"inputs": [[]] * (body // 4)}),
        Case("a shape of 100,000 dimensions", INFER, {"inputs": [{**many, "shape": [9] * 100_000}]}),
        Case("a number of a million digits", "/embed", b'{"inputs": "a", "dimensions": ' + b"9" * 1_000_000 + b"}"),
        Case("a body of brackets", "/predict", b"[" * body),
        _binary(body),
    ]


def _binary(size: int) -> Case:
    """A binary tensor of empty texts, four bytes each."""
    data = struct.pack("<I", 0) * (size // 8)
    tensor = {
        "name": "t",
        "shape": [len(data) // 4],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(data)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    return Case(
        "a binary tensor of empty texts", INFER, head + data, {"inference-header-content-length": str(len(head))}
    )


def stalls(server: ServerProcess, key: dict[str, str], limits: Settings) -> str:
    """Send each alone, some times; the longest that /health took meanwhile, and for which request."""
    worst_ms, worst, above = 0.0, "", 0
    statuses: Counter[int] = Counter()
    for case in largest(limits):
        data = case.data()
        for _ in range(_ROUNDS):
            with _health(server.port) as waits_ms:
                status, _ = server.ask("POST", case.path, data, {**key, **case.headers})
            statuses[status] += 1
            longest = max(waits_ms, default=0.0)
            above += longest > STALL_MS
            if longest > worst_ms:
                worst_ms, worst = longest, case.name
    return (
        f"{counted(statuses)}; /health took {worst_ms:.0f} ms at most ({worst}), {above} times more than {STALL_MS} ms"
    )


@contextmanager
def _health(port: int) -> Iterator[list[float]]:
    """Ask /health all the time, on one connection; the milliseconds that each answer took."""
    waits_ms: list[float] = []
    over = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not over.wait(0.002):
            begun_s = time.perf_counter()
            connection.request("GET", "/health")
            connection.getresponse().read()
            waits_ms.append((time.perf_counter() - begun_s) * 1e3)
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield waits_ms
    finally:
        over.set()
        thread.join()


def memory(server: ServerProcess, key: dict[str, str], limits: Settings, seconds: float, clients: int = 64) -> str:
    """Send all of them from many clients at once; the memory that the server takes, and its bound."""
    cases = [(case.path, case.data(), {**key, **case.headers}) for case in largest(limits)]
    before_mib, statuses = server.rss_mib(), Counter[int]()
    end_s = time.monotonic() + seconds

    def client(place: int) -> None:
        while time.monotonic() < end_s:
            path, data, headers = cases[place % len(cases)]
            statuses[server.ask("POST", path, data, headers)[0]] += 1
            place += 1

    threads = [threading.Thread(target=client, args=(place,)) for place in range(clients)]
    for thread in threads:
        thread.start()
    most_mib = before_mib
    while any(thread.is_alive() for thread in threads):
        most_mib = max(most_mib, server.rss_mib())
        time.sleep(0.02)
    bound_mib = before_mib + bound_bytes(limits, clients) / _MIB
    rss = f"RSS {before_mib:.0f} MiB, at most {most_mib:.0f}, bound {bound_mib:.0f}, later {server.rss_mib():.0f}"
    return f"{counted(statuses)}; {rss}"


def bound_bytes(limits: Settings, connections: int) -> int:
    """Bytes that requests can take beside the models, by docs/serving.md."""
    workers = limits.workers or available_threads() // limits.threads
    characters = limits.max_text_characters + workers * _WORKER_CHARACTERS
    return limits.max_held_bytes * _PER_HELD_BYTE + connections * _PER_CONNECTION + characters * _PER_CHARACTER
