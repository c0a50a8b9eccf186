"""`torchless serve` with some flags beside the same with others: the same machine and texts, in turn.

    python -m torchless_bench.serving.flags MODEL --texts FILE "--processes 1" "--processes 2"

All servers are started first, and each load is measured on one after the other, so that a machine whose speed changes
changes it for all. The first is what the others are compared with.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from torchless_bench.serving.client import Outcomes, closed_loop, open_loop, requests
from torchless_bench.serving.process import ServerProcess, allow_files, torchless_server
from torchless_bench.serving.report import add_arguments, counted, publish, read_texts

CONCURRENCY = (1, 8, 32, 128, 1000)
_RATED = 32  # requests at a time that half load is half of
_LONG = 12  # one text of so many is as long as so many
_SECOND = "second"  # the same bundle once more, under another name
_COLUMNS = ["load", "flags", "requests/s", "p50 ms", "p99 ms"]
_COLUMNS += ["requests/s, times the first", "p50, times the first", "p99, times the first", "event loop µs", "statuses"]

Load = Callable[[int], Coroutine[Any, Any, Outcomes]]


@dataclass(frozen=True)
class Measured:
    """A load on a server.

    Attributes:
        outcomes: the answers.
        loop_s: CPU seconds of the event loops.
    """

    outcomes: Outcomes
    loop_s: float

    @property
    def loop_us(self) -> float:
        """CPU microseconds of the event loops per answer."""
        return self.loop_s * 1e6 / max(1, len(self.outcomes.seconds))


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_arguments(parser)
    parser.add_argument("flags", nargs="+", metavar="FLAGS", help='flags of one server in quotes: "--processes 2"')
    parser.add_argument("--rounds", metavar="N", type=int, default=5, help="number of rounds (default: 5)")
    parser.add_argument("--seconds", metavar="S", type=float, default=3.0, help="seconds per measurement (default: 3)")
    options = parser.parse_args()
    allow_files()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = []
        for number, flags in enumerate(options.flags):
            more = [f"{_SECOND}={options.model}", *shlex.split(flags)]
            servers.append(torchless_server(options.model, Path(folder) / str(number), *more))
            stack.callback(servers[-1].stop)
        found = _measure(servers, _loads(options), options.rounds)
        memory = [server.rss_mib() for server in servers]
    _publish(options, found, memory)


def _loads(options: argparse.Namespace) -> dict[str, Callable[[float], Load]]:
    """By its name, each load of a machine that answers so many requests per second."""
    texts, seconds = read_texts(options.texts), options.seconds
    name = Path(options.model).resolve().name
    plain = requests("/predict", [{"inputs": text} for text in texts])
    long = [" ".join(texts[at : at + _LONG]) if at % _LONG == 0 else text for at, text in enumerate(texts)]
    mixed = requests("/predict", [{"inputs": text, "truncate": True} for text in long])
    two = requests("/v1/classify", [{"model": (name, _SECOND)[at % 2], "input": text} for at, text in enumerate(texts)])

    def at_a_time(made: Sequence[bytes], concurrency: int) -> Callable[[float], Load]:
        return lambda _: lambda port: closed_loop(port, made, concurrency=concurrency, seconds=seconds)

    def arriving(share: float) -> Callable[[float], Load]:
        return lambda rate: lambda port: open_loop(port, plain, per_second=rate * share, seconds=seconds)

    return {
        **{f"{each} at a time": at_a_time(plain, each) for each in CONCURRENCY},
        "half load, random arrivals": arriving(0.5),
        "a tenth of the load, random arrivals": arriving(0.1),
        f"8 at a time, 1 text of {_LONG} is long": at_a_time(mixed, 8),
        "8 at a time, two models": at_a_time(two, 8),
    }


def _measure(
    servers: Sequence[ServerProcess], loads: dict[str, Callable[[float], Load]], rounds: int
) -> dict[str, list[list[Measured]]]:
    """By load, for each server, what every round measured; the order of the servers turns round by round."""
    for server in servers:
        _run(server, loads["8 at a time"](0.0))  # warms up
    rate = max(_run(servers[0], loads[f"{_RATED} at a time"](0.0)).outcomes.per_second for _ in range(2))
    found: dict[str, list[list[Measured]]] = {load: [[] for _ in servers] for load in loads}
    for number in range(rounds):
        for load, make in loads.items():
            for place in range(len(servers)):
                at = (place + number) % len(servers)
                found[load][at].append(_run(servers[at], make(rate)))
    return found


def _run(server: ServerProcess, load: Load) -> Measured:
    begun_s = server.main_threads_s()
    outcomes = uvloop.run(load(server.port))
    return Measured(outcomes, server.main_threads_s() - begun_s)


def _publish(options: argparse.Namespace, found: dict[str, list[list[Measured]]], memory: Sequence[float]) -> None:
    rows = []
    for load, servers in found.items():
        for flags, measured in zip(options.flags, servers, strict=True):
            outcomes, first = [each.outcomes for each in measured], [each.outcomes for each in servers[0]]
            figures = (lambda each: each.per_second, lambda each: each.percentile_ms(50), _p99)
            statuses = sum((each.statuses for each in outcomes), Counter[str]())
            rows.append(
                [
                    load,
                    f"`{flags}`",
                    *(f"{statistics.median(map(figure, outcomes)):.4g}" for figure in figures),
                    *(f"{_times(figure, outcomes, first):.2f}" for figure in figures),
                    f"{statistics.median(each.loop_us for each in measured):.0f}",
                    counted(statuses),
                ]
            )
    note = f"One text per request, asyncio client on the same CPUs, {options.rounds} rounds in turn, medians of them "
    note += "and of their ratios. Half load is half of what the first answers at 32 at a time. Event loop: CPU time of "
    note += "the processes' main threads per answer. Memory of all processes in the end: "
    note += ", ".join(f"`{flags}` {size:.0f} MiB" for flags, size in zip(options.flags, memory, strict=True)) + "."
    publish("Flags beside flags", note, _COLUMNS, rows, options.output)


def _p99(outcomes: Outcomes) -> float:
    return outcomes.percentile_ms(99)


def _times(figure: Callable[[Outcomes], float], outcomes: Sequence[Outcomes], first: Sequence[Outcomes]) -> float:
    return statistics.median(figure(a) / figure(b) for a, b in zip(outcomes, first, strict=True))


if __name__ == "__main__":
    main()
