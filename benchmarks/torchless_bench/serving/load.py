"""Requests per second beside the library's own throughput, and latency of lone requests and at half load."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from torchless.running.threads import available_threads
from torchless_bench.serving.client import Outcomes, closed_loop, open_loop, requests
from torchless_bench.serving.ideal import ideal_queue
from torchless_bench.serving.process import torchless_server
from torchless_bench.serving.report import add_arguments, counted, publish, read_texts

CONCURRENCY = (1, 8, 32, 128)


@dataclass(frozen=True)
class Round:
    """One round of all loads.

    Attributes:
        offline: texts per second without a server.
        loads: the answers, by the label of the load.
    """

    offline: float
    loads: dict[str, Outcomes]

    @property
    def lone(self) -> Outcomes:
        """The answers to requests that were sent one at a time."""
        return self.loads[_at_a_time(1)]

    @property
    def half(self) -> float:
        """Half of the most requests per second."""
        return max(self.loads[_at_a_time(each)].per_second for each in CONCURRENCY) / 2

    def ideal_p99_ms(self) -> float:
        """The 99th percentile at half load, in milliseconds, if requests waited only while every CPU is busy."""
        return Outcomes(ideal_queue(self.lone.seconds, self.half, available_threads())).percentile_ms(99)


def offline(model: str, texts_file: str, threads: int, seconds: float) -> float:
    """Texts per second of `Classifier.predict` on the whole list, in a process of its own."""
    code = (
        "import sys, time\n"
        "from torchless import Classifier\n"
        "from torchless_bench.serving.report import read_texts\n"
        "model, file, threads, seconds = sys.argv[1:]\n"
        "texts, classifier = read_texts(file), Classifier.load(model, threads=int(threads))\n"
        "classifier.predict(texts)\n"
        "count, begun = 0, time.perf_counter()\n"
        "while time.perf_counter() - begun < float(seconds):\n"
        "    classifier.predict(texts)\n"
        "    count += len(texts)\n"
        "print(count / (time.perf_counter() - begun))\n"
    )
    command = [sys.executable, "-c", code, model, texts_file, str(threads), str(seconds)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument(
        "--threads",
        metavar="N",
        type=int,
        default=2,
        help="threads of the model, in the server and without it (default: 2)",
    )
    parser.add_argument("--rounds", metavar="N", type=int, default=3, help="number of rounds (default: 3)")
    parser.add_argument("--seconds", metavar="S", type=float, default=5.0, help="seconds per measurement (default: 5)")
    options = parser.parse_args()
    made = requests("/predict", [{"inputs": text} for text in read_texts(options.texts)])
    with tempfile.TemporaryDirectory() as folder:
        server = torchless_server(options.model, Path(folder) / "log", "--workers", str(options.threads))
        try:
            rounds = [_round(options, server.port, made) for _ in range(options.rounds)]
        finally:
            server.stop()
    _publish(options, rounds)


def _round(options: argparse.Namespace, port: int, made: list[bytes]) -> Round:
    time.sleep(0.5)  # threads of the previous measurement keep spinning for a while
    found = Round(offline(options.model, options.texts, options.threads, options.seconds), {})
    for concurrency in CONCURRENCY:
        run = closed_loop(port, made, concurrency=concurrency, seconds=options.seconds)
        found.loads[_at_a_time(concurrency)] = uvloop.run(run)
    for name in ("even", "random"):
        run = open_loop(port, made, per_second=found.half, seconds=options.seconds, even=name == "even")
        found.loads[f"half load, {name} arrivals"] = uvloop.run(run)
    return found


def _at_a_time(concurrency: int) -> str:
    return f"{concurrency} at a time"


def _publish(options: argparse.Namespace, rounds: list[Round]) -> None:
    median = statistics.median
    lone_ms = [each.lone.percentile_ms(50) for each in rounds]
    rows = []
    for label in rounds[0].loads:
        outcomes = [each.loads[label] for each in rounds]
        p99_ms = [each.percentile_ms(99) for each in outcomes]
        rows.append(
            [
                label,
                f"{median(each.per_second for each in outcomes):.0f}",
                f"{median(a.per_second / b.offline for a, b in zip(outcomes, rounds, strict=True)):.0%}",
                f"{median(each.percentile_ms(50) for each in outcomes):.2f}",
                f"{median(p99_ms):.2f}",
                f"{median(a / b for a, b in zip(p99_ms, lone_ms, strict=True)):.2f}",
                f"{median(map(_overhead_ms, outcomes)):.2f}",
                f"{median(each.cpu_s / each.wall_s for each in outcomes) / available_threads():.0%}",
                _statuses(outcomes),
            ]
        )
    ideal = median(each.ideal_p99_ms() / lone for each, lone in zip(rounds, lone_ms, strict=True))
    note = (
        f"One text per request, asyncio client on the same CPUs, {options.rounds} rounds, medians. Offline, "
        f"`Classifier.predict` on the whole list with {options.threads} threads: "
        f"{median(each.offline for each in rounds):.0f} texts/s. Overhead: the client's time minus the model's. "
        f"At half load with random arrivals, p99 / lone p50 would be {ideal:.2f} if each request took a CPU for as "
        "long as a lone one does, and waited only while every CPU is busy (M/G/k, simulated)."
    )
    columns = ["load", "requests/s", "of offline", "p50 ms", "p99 ms", "p99 / lone p50", "overhead p50 ms"]
    columns += ["client's share of the CPUs", "statuses"]
    publish(f"Load, {options.threads} threads", note, columns, rows, options.output)


def _overhead_ms(outcomes: Outcomes) -> float:
    pairs = zip(outcomes.seconds, outcomes.inference_s, strict=True)
    return statistics.median(total - model for total, model in pairs) * 1e3


def _statuses(outcomes: Sequence[Outcomes]) -> str:
    total: Counter[str] = sum((each.statuses for each in outcomes), Counter())
    return counted(total)


if __name__ == "__main__":
    main()
