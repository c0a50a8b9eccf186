"""Faults of clients, networks and disks, caused on purpose; after each, the server must still answer as before."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import uvloop

from torchless_bench.serving.client import Outcomes, closed_loop, requests
from torchless_bench.serving.process import ServerProcess, torchless_server
from torchless_bench.serving.report import add_arguments, publish

KEY = "sesame"
AUTHORIZED = {"authorization": f"Bearer {KEY}"}
HEADERS = f"authorization: Bearer {KEY}\r\n"
TEXT = {"inputs": "I hate this so much"}
FLAGS = ("--api-key", KEY, "--read-timeout-s", "1", "--drain-s", "0.5")
BODIES = 10_000
SEEDS = {
    "/predict": {"inputs": [["a"], ["b"]], "truncate": True, "raw_scores": False},
    "/embed": {"inputs": ["a", "b"], "normalize": True, "dimensions": None},
    "/tokenize": {"inputs": "a", "add_special_tokens": True},
    "/": {"inputs": "a", "parameters": {"top_k": 2, "function_to_apply": "sigmoid"}},
    "/classify": {"model": "model", "input": ["a"], "use_activation": True},
    "/v1/embeddings": {"model": "model", "input": "a", "encoding_format": "base64", "dimensions": 1},
    "/v2/models/model/infer": {"inputs": [{"name": "t", "shape": [1], "datatype": "BYTES", "data": ["a"]}]},
}


def main() -> None:
    """Cause every fault, and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, texts=False)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "current"
        shutil.copytree(options.model, Path(folder) / "sound")
        model.symlink_to(Path(folder) / "sound")
        server = torchless_server(f"model={model}", Path(folder) / "log", *FLAGS)
        expected = server.ask("POST", "/predict", TEXT, AUTHORIZED)
        for fault in (left, half_sent, slow_headers, malformed, described, reload_under_load, corrupted):
            begun = time.monotonic()
            found = fault(server, Path(folder))
            after = server.ask("POST", "/predict", TEXT, AUTHORIZED)
            failures = server.metric(r'torchless_requests_total\{route="(?!/ready).*status="5..".*\}', AUTHORIZED)
            verdict = "as before" if after == expected else f"NOT AS BEFORE: {after}"
            rows.append([_name(fault), found, f"{failures:.0f}", verdict, f"{time.monotonic() - begun:.1f}"])
        rows.append([_name(sigterm), sigterm(server, Path(folder)), "", "ended", ""])
    columns = ["fault", "what came back", "5xx in all", "the next answer", "seconds"]
    publish("Faults", "Every fault against the same server, one after another.", columns, rows, options.output)


def _name(fault: Callable[[ServerProcess, Path], str]) -> str:
    return (fault.__doc__ or "").rstrip(".")


def left(server: ServerProcess, _folder: Path) -> str:
    """500 clients leave while their request is being answered."""
    (request,) = requests("/embed", [{"inputs": ["never again " * 50] * 4}], HEADERS)
    for number in range(500):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(request)
            if number % 2:
                time.sleep(0.001)
    while server.metric("te_queue_size", AUTHORIZED):
        time.sleep(0.05)
    dropped = server.metric(r'torchless_requests_total\{.*status="499".*\}', AUTHORIZED)
    return (
        f"{dropped:.0f} dropped, queue empty again ({server.metric('torchless_queue_tokens', AUTHORIZED):.0f} tokens)"
    )


def half_sent(server: ServerProcess, _folder: Path) -> str:
    """300 bodies that end half-way, some held open."""
    (request,) = requests("/predict", [TEXT], HEADERS)
    open_ones = []
    for number in range(300):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        connection.sendall(request[: -1 - number % 20])
        open_ones.append(connection) if number % 3 == 0 else connection.close()
    return _ends(open_ones)


def slow_headers(server: ServerProcess, _folder: Path) -> str:
    """Slow-loris: 300 connections that send a header byte now and then."""
    connections = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(300)]
    for connection in connections:
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\nx-slow: ")
    begun, answered = time.monotonic(), 0
    while time.monotonic() - begun < 2:
        for connection in connections:
            try:
                connection.sendall(b"a")
            except OSError:
                continue
        answered += server.ask("POST", "/predict", TEXT, AUTHORIZED)[0] == 200
        time.sleep(0.2)
    return f"{answered} ordinary requests answered meanwhile; {_ends(connections)}"


def malformed(server: ServerProcess, _folder: Path) -> str:
    """10,000 malformed bodies on every path."""
    chance = random.Random(7)
    statuses: Counter[str] = Counter()
    paths = list(SEEDS)
    made = []
    for number in range(BODIES):
        path = paths[number % len(paths)]
        made.append((path, _mutate(json.dumps(SEEDS[path]).encode(), chance)))
    for path, body in made:
        status, answer = server.ask("POST", path, body, AUTHORIZED)
        statuses[str(status)] += 1
        if status != 200:
            json.loads(answer)  # every refusal is JSON
    return ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))


def described(server: ServerProcess, folder: Path) -> str:
    """Schemathesis against the OpenAPI document."""
    program = shutil.which(
        "schemathesis", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    )
    if program is None:
        return "schemathesis is not installed"
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    address = f"http://127.0.0.1:{server.port}"
    command = [program, "run", f"{address}/openapi.json", "--checks", checks, "--max-examples", "40", "--seed", "1"]
    command += ["--header", f"Authorization: Bearer {KEY}", "--exclude-path", "/admin/reload", "--no-color"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, cwd=folder)
    last = [line.strip() for line in done.stdout.splitlines() if "generated" in line or "passed" in line]
    if done.returncode != 0:
        print(done.stdout[-6000:], done.stderr[-2000:], file=sys.stderr)  # noqa: T201
    return f"exit code {done.returncode}: {'; '.join(last[-2:])}"


def reload_under_load(server: ServerProcess, _folder: Path) -> str:
    """20 reloads under load."""

    def reload() -> None:
        for _ in range(20):
            assert server.ask("POST", "/admin/reload", {}, AUTHORIZED)[0] == 200

    return _under_load(server, reload)


def corrupted(server: ServerProcess, folder: Path) -> str:
    """A reload of a bundle with one wrong byte, under load."""
    shutil.copytree(folder / "sound", folder / "broken")
    weights = next((folder / "broken").glob("weights.*"))
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    _point(folder, "broken")
    statuses: list[int] = []

    def reload() -> None:
        statuses.append(server.ask("POST", "/admin/reload", {}, AUTHORIZED)[0])
        os.kill(server.process.pid, signal.SIGHUP)
        time.sleep(1)

    load = _under_load(server, reload)
    _point(folder, "sound")
    return f"the reload: {statuses[0]}; meanwhile {load}"


def sigterm(server: ServerProcess, _folder: Path) -> str:
    """SIGTERM under load."""

    def end() -> None:
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)

    load = _under_load(server, end, until_it_ends=True)
    return f"{load}; exit code {server.stop()}"


def _under_load(server: ServerProcess, action: Callable[[], None], *, until_it_ends: bool = False) -> str:
    made = requests("/predict", [TEXT, {"inputs": "never again " * 20}], HEADERS)
    outcomes: list[Outcomes] = []
    stop = asyncio.Event()

    def load() -> None:
        outcomes.append(uvloop.run(closed_loop(server.port, made, concurrency=32, seconds=120, until=stop)))

    thread = threading.Thread(target=load)
    thread.start()
    action()
    if not until_it_ends:
        stop.set()
    thread.join()
    return ", ".join(f"{status}: {count}" for status, count in sorted(outcomes[0].statuses.items()))


def _point(folder: Path, name: str) -> None:
    (folder / "next").symlink_to(folder / name)
    (folder / "next").replace(folder / "current")


def _ends(connections: list[socket.socket]) -> str:
    ends: Counter[str] = Counter()
    for connection in connections:
        connection.settimeout(5)
        try:
            ends[connection.recv(12).decode()[9:] or "closed"] += 1
        except TimeoutError:
            ends["STILL OPEN"] += 1
        except OSError:
            ends["closed"] += 1
        connection.close()
    return "held open: " + ", ".join(f"{end}: {count}" for end, count in sorted(ends.items()))


def _mutate(body: bytes, chance: random.Random) -> bytes:
    """A body with one to four mutations."""
    for _ in range(chance.randint(1, 4)):
        place, kind = chance.randrange(len(body) + 1), chance.randrange(6)
        if kind == 0:
            body = body[:place] + chance.randbytes(chance.randint(1, 4)) + body[place:]
        elif kind == 1:
            body = body[:place]
        elif kind == 2:
            body = body[:place] + body[place + chance.randint(1, 6) :]
        elif kind == 3:
            body = body.replace(
                b'"a"', chance.choice([b"1e999", b"[" * 3000, b"null", b'"\\ud800"', b'{"a":[]}', b"-0"])
            )
        elif kind == 4:
            body = body[:place] + chance.choice([b'"', b"{", b"]", b",", b":", b"\\", b"\x00"]) + body[place:]
        else:
            body = body + body[place:]
    return body


if __name__ == "__main__":
    main()
