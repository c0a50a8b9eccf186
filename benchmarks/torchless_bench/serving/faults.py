"""Faults of clients, networks and disks, caused on purpose; after each, the server must still answer as before."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
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
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

import uvloop

from torchless.serve.settings import Settings
from torchless_bench.serving.client import Outcomes, closed_loop, open_loop, requests
from torchless_bench.serving.limits import memory, stalls
from torchless_bench.serving.malformed import bodies, send_all
from torchless_bench.serving.process import ServerProcess, allow_files, torchless_server
from torchless_bench.serving.report import add_arguments, counted, publish
from torchless_bench.serving.swaps import other_bundle, point, swap_under_load

KEY = "sesame"
AUTHORIZED = {"authorization": f"Bearer {KEY}"}
HEADERS = f"authorization: Bearer {KEY}\r\n"
TEXT = {"inputs": "I hate this so much"}
FLAGS = ("--api-key", KEY, "--read-timeout-s", "1", "--drain-s", "0.5")
LONG = {"malformed": 1_000_000, "overload_s": 600.0, "swap_s": 60.0, "memory_s": 60.0}


@dataclass(frozen=True)
class Lengths:
    """How long some faults last.

    Attributes:
        malformed: number of malformed bodies.
        overload_s, swap_s, memory_s: seconds.
    """

    malformed: int = 10_000
    overload_s: float = 10.0
    swap_s: float = 10.0
    memory_s: float = 10.0


Fault = Callable[[ServerProcess, Path, Lengths], str]


def main() -> None:
    """Cause every fault, and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, texts=False)
    for each in fields(Lengths):
        parser.add_argument(f"--{each.name.replace('_', '-')}", metavar="N", type=type(each.default), help=_help(each))
    parser.add_argument("--long", action="store_true", help="the lengths that a release is judged by (some 20 minutes)")
    options = parser.parse_args()
    given = {each.name: getattr(options, each.name) for each in fields(Lengths)}
    chosen = {name: value for name, value in given.items() if value is not None}
    lengths = Lengths(**({**LONG, **chosen} if options.long else chosen))
    allow_files()
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows(Path(options.model), Path(folder), lengths)
    columns = ["fault", "what came back", "5xx in all", "the next answer", "seconds"]
    publish("Faults", "Every fault against the same server, one after another.", columns, rows, options.output)


def _help(each: Field[Any]) -> str:
    what = {"malformed": "number of malformed bodies"}.get(each.name, f"seconds of {each.name.removesuffix('_s')}")
    return f"{what} (default: {each.default:g}; with --long: {LONG[each.name]:g})"


def _rows(source: Path, folder: Path, lengths: Lengths) -> list[list[str]]:
    model = folder / "current"
    shutil.copytree(source, folder / "sound")
    other_bundle(folder / "sound", folder / "other")
    model.symlink_to(folder / "sound")
    server = torchless_server(f"model={model}", folder / "log", *FLAGS)
    expected = server.ask("POST", "/predict", TEXT, AUTHORIZED)
    rows = []
    for fault in FAULTS:
        begun = time.monotonic()
        found = fault(server, folder, lengths)
        after = server.ask("POST", "/predict", TEXT, AUTHORIZED)
        failures = server.metric(r'torchless_requests_total\{route="(?!/ready).*status="5..".*\}', AUTHORIZED)
        verdict = "as before" if after == expected else f"NOT AS BEFORE: {after}"
        rows.append([_name(fault), found, f"{failures:.0f}", verdict, f"{time.monotonic() - begun:.1f}"])
        print("|", " | ".join(rows[-1]), "|", file=sys.stderr, flush=True)  # noqa: T201
    return [*rows, [_name(sigterm), sigterm(server, folder, lengths), "", "ended", ""]]


def _name(fault: Fault) -> str:
    return (fault.__doc__ or "").rstrip(".")


def left(server: ServerProcess, _folder: Path, _lengths: Lengths) -> str:
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


def half_sent(server: ServerProcess, _folder: Path, _lengths: Lengths) -> str:
    """300 bodies that end half-way, some held open."""
    (request,) = requests("/predict", [TEXT], HEADERS)
    open_ones = []
    for number in range(300):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        connection.sendall(request[: -1 - number % 20])
        open_ones.append(connection) if number % 3 == 0 else connection.close()
    return _ends(open_ones)


def slow_headers(server: ServerProcess, _folder: Path, _lengths: Lengths) -> str:
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


def malformed(server: ServerProcess, _folder: Path, lengths: Lengths) -> str:
    """Malformed bodies on every path."""
    for path, body in bodies(1000):
        status, answer = server.ask("POST", path, body, AUTHORIZED)
        if status != 200:
            json.loads(answer)  # every refusal is JSON
    return counted(uvloop.run(send_all(server.port, lengths.malformed, HEADERS)))


def stalled(server: ServerProcess, _folder: Path, _lengths: Lengths) -> str:
    """Each of the largest requests that the limits allow, alone."""
    return stalls(server, AUTHORIZED, Settings())


def filled(server: ServerProcess, _folder: Path, lengths: Lengths) -> str:
    """All of these from 64 clients at once."""
    return memory(server, AUTHORIZED, Settings(), lengths.memory_s)


def overloaded(server: ServerProcess, _folder: Path, lengths: Lengths) -> str:
    """Three times the capacity."""
    made = requests("/embed", [TEXT, {"inputs": ["never again " * 20] * 4}], HEADERS)
    capacity = uvloop.run(closed_loop(server.port, made, concurrency=32, seconds=3)).per_second
    before_mib = server.rss_mib()
    flood = uvloop.run(open_loop(server.port, made, per_second=3 * capacity, seconds=lengths.overload_s))
    told = f"{counted(flood.statuses)}; {flood.per_second:.0f} of {capacity:.0f} requests/s answered"
    told += f", p99 {flood.percentile_ms(99):.0f} ms; RSS {before_mib:.0f} MiB, then {server.rss_mib():.0f}"
    return f"{told}; all answered {flood.settled_s:.1f} s after the last"


def swapped(server: ServerProcess, folder: Path, lengths: Lengths) -> str:
    """A link swapped twice a second, under load and reloads."""
    targets = [folder / "sound", folder / "other"]
    return swap_under_load(server, AUTHORIZED, folder / "current", targets, lengths.swap_s)


def described(server: ServerProcess, folder: Path, _lengths: Lengths) -> str:
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


def reload_under_load(server: ServerProcess, _folder: Path, _lengths: Lengths) -> str:
    """20 reloads under load."""

    def reload() -> None:
        for _ in range(20):
            assert server.ask("POST", "/admin/reload", {}, AUTHORIZED)[0] == 200

    return _under_load(server, reload)


def corrupted(server: ServerProcess, folder: Path, _lengths: Lengths) -> str:
    """A reload of a bundle with one wrong byte, under load."""
    shutil.copytree(folder / "sound", folder / "broken")
    weights = next((folder / "broken").glob("weights.*"))
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    point(folder / "current", folder / "broken")
    statuses: list[int] = []

    def reload() -> None:
        statuses.append(server.ask("POST", "/admin/reload", {}, AUTHORIZED)[0])
        os.kill(server.process.pid, signal.SIGHUP)
        time.sleep(1)

    load = _under_load(server, reload)
    point(folder / "current", folder / "sound")
    return f"the reload: {statuses[0]}; meanwhile {load}"


def sigterm(server: ServerProcess, _folder: Path, _lengths: Lengths) -> str:
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
    return counted(outcomes[0].statuses)


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


FAULTS: tuple[Fault, ...] = (
    *(left, half_sent, slow_headers, malformed, described, stalled, filled, overloaded),
    *(reload_under_load, swapped, corrupted),
)


if __name__ == "__main__":
    main()
