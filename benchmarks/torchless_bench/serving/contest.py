"""Servers beside each other: one at a time, in interleaved rounds, at 1, 8 and 32 requests at a time."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from torchless_bench.journal import Journal
from torchless_bench.measuring.spread import Spread
from torchless_bench.serving.client import Outcomes, closed_loop
from torchless_bench.serving.process import ServerProcess
from torchless_bench.serving.servers import Server, problem_of
from torchless_bench.status_line import StatusLine

CONCURRENCY = (1, 8, 32)
_WARM_UP_S, _WARM_UP_CONCURRENCY = 2.0, 4


@dataclass(frozen=True)
class Load:
    """What clients measured that together send so many requests at a time.

    Attributes:
        per_second: by round, the answers with status 200 per second.
        p50_ms: by round, the median milliseconds from a request to its answer.
        p99_ms: by round, their 99th percentile.
        statuses: number of answers by status, of all rounds.
    """

    per_second: Sequence[float]
    p50_ms: Sequence[float]
    p99_ms: Sequence[float]
    statuses: Counter[str]


@dataclass
class Served:
    """A server in this contest.

    Attributes:
        title: its name.
        loads: by the number of requests at a time.
        problem: why it did not take part; None if it did.
    """

    title: str
    loads: dict[int, Load] = field(default_factory=dict)
    problem: str | None = None

    def times_slower(self, ours: Served, concurrency: int) -> Spread:
        """How many times fewer requests per second than `ours` it answered, in each round."""
        pairs = zip(ours.loads[concurrency].per_second, self.loads[concurrency].per_second, strict=True)
        return Spread.of([first / second if second else float("inf") for first, second in pairs])


def hold(
    servers: Sequence[Server], *, rounds: int, seconds: float, journal: Journal, status_line: StatusLine
) -> list[Served]:
    """Measure every server in every round; the next round has the opposite order.

    Args:
        servers: those that take part; one that does not start is reported.
        rounds: number of rounds.
        seconds: duration of each load.
        journal: what it holds is not measured again.
        status_line: says what is being measured.
    """
    found: dict[str, list[dict[str, Any]]] = {server.title: [] for server in servers}
    problems: dict[str, str] = {}
    for number in range(rounds):
        for server in servers if number % 2 == 0 else reversed(servers):
            if server.title in problems:
                continue
            status_line.show(f"servers · round {number + 1} of {rounds} · {server.title}")
            with status_line.step("server", f"{number} {server.title}"):
                kept = journal.once(lambda each=server: _round(each, seconds), "server", str(number), server.title)  # type: ignore[misc]
            if "problem" in kept:
                problems[server.title] = kept["problem"]
                for later in range(number + 1, rounds):
                    status_line.time_left.drop("server", f"{later} {server.title}")
                status_line.note(f"{server.title}: {kept['problem']}")
            else:
                found[server.title].append(kept)
    return [
        Served(title, {} if title in problems else _loads(kept), problems.get(title)) for title, kept in found.items()
    ]


def _round(server: Server, seconds: float) -> dict[str, Any]:
    """One server from its start to its end: by requests at a time what was measured, or the problem."""
    try:
        process = server.start()
    except (RuntimeError, subprocess.SubprocessError, OSError) as error:
        return {"problem": problem_of(error)}
    try:
        return _measure(process, server.requests, seconds)
    finally:
        process.stop()


def _measure(process: ServerProcess, made: Sequence[bytes], seconds: float) -> dict[str, Any]:
    _run(process, made, _WARM_UP_CONCURRENCY, _WARM_UP_S)
    time.sleep(0.5)
    measured = {}
    for concurrency in CONCURRENCY:
        outcomes = _run(process, made, concurrency, seconds)
        measured[str(concurrency)] = {
            "per_second": outcomes.per_second,
            "p50_ms": outcomes.percentile_ms(50),
            "p99_ms": outcomes.percentile_ms(99),
            "statuses": dict(outcomes.statuses),
        }
    return measured


def _run(process: ServerProcess, made: Sequence[bytes], concurrency: int, seconds: float) -> Outcomes:
    load = closed_loop(process.port, made, concurrency=concurrency, seconds=seconds)
    try:
        run = import_module("uvloop").run
    except ModuleNotFoundError:  # no uvloop on Windows
        run = asyncio.run
    outcomes: Outcomes = run(load)
    return outcomes


def _loads(rounds: Sequence[dict[str, Any]]) -> dict[int, Load]:
    return {
        concurrency: Load(
            per_second=[each[str(concurrency)]["per_second"] for each in rounds],
            p50_ms=[each[str(concurrency)]["p50_ms"] for each in rounds],
            p99_ms=[each[str(concurrency)]["p99_ms"] for each in rounds],
            statuses=sum((Counter(each[str(concurrency)]["statuses"]) for each in rounds), Counter()),
        )
        for concurrency in CONCURRENCY
    }
