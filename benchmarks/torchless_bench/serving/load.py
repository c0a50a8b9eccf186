"""Requests a second beside the library's own throughput, and the latency of a lone request and at half load."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from torchless_bench.serving.client import Outcomes, closed_loop, open_loop, requests
from torchless_bench.serving.process import torchless_server
from torchless_bench.serving.report import add_arguments, publish, read_texts

CONCURRENCY = (1, 8, 32, 128)


def offline(model: str, texts_file: str, threads: int, seconds: float) -> float:
    """Texts a second of `Classifier.predict` on the whole list, in a process of its own."""
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
    parser.add_argument("--threads", type=int, default=2, help="that the model may use, in the server and offline")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="a measurement")
    options = parser.parse_args()
    made = requests("/predict", [{"inputs": text} for text in read_texts(options.texts)])
    with tempfile.TemporaryDirectory() as folder:
        server = torchless_server(options.model, Path(folder) / "log", "--workers", str(options.threads))
        try:
            rounds = [_round(options, server.port, made) for _ in range(options.rounds)]
        finally:
            server.stop()
    _publish(options, rounds)


def _round(options: argparse.Namespace, port: int, made: list[bytes]) -> dict[str, Outcomes | float]:
    time.sleep(0.5)  # threads of the one before spin for a while
    found: dict[str, Outcomes | float] = {
        "offline": offline(options.model, options.texts, options.threads, options.seconds)
    }
    for concurrency in CONCURRENCY:
        run = closed_loop(port, made, concurrency=concurrency, seconds=options.seconds)
        found[str(concurrency)] = uvloop.run(run)
    best = max(each.per_second for each in found.values() if isinstance(each, Outcomes))
    for name, even in (("even", True), ("random", False)):
        run = open_loop(port, made, per_second=best / 2, seconds=options.seconds, even=even)
        found[name] = uvloop.run(run)
    return found


def _publish(options: argparse.Namespace, rounds: list[dict[str, Outcomes | float]]) -> None:
    rows = []
    for name in [*map(str, CONCURRENCY), "even", "random"]:
        outcomes = [each[name] for each in rounds]
        shares = [
            outcome.per_second / each["offline"]
            for outcome, each in zip(outcomes, rounds, strict=True)
            if isinstance(outcome, Outcomes) and isinstance(each["offline"], float)
        ]
        all_of = [outcome for outcome in outcomes if isinstance(outcome, Outcomes)]
        lone = [each["1"].percentile_ms(50) for each in rounds if isinstance(each["1"], Outcomes)]
        label = f"{name} at a time" if name.isdigit() else f"half load, {name} arrivals"
        rows.append(
            [
                label,
                f"{_median([each.per_second for each in all_of]):.0f}",
                f"{_median(shares):.0%}",
                f"{_median([each.percentile_ms(50) for each in all_of]):.2f}",
                f"{_median([each.percentile_ms(99) for each in all_of]):.2f}",
                f"{_median([a.percentile_ms(99) / b for a, b in zip(all_of, lone, strict=True)]):.2f}",
                f"{_median([_overhead_ms(each) for each in all_of]):.2f}",
                ", ".join(f"{status}: {count}" for status, count in _statuses(all_of).items()),
            ]
        )
    offlines = [each["offline"] for each in rounds if isinstance(each["offline"], float)]
    note = (
        f"One text a request, asyncio client on the same CPUs, {options.rounds} rounds, medians. Offline, "
        f"`Classifier.predict` on the whole list with {options.threads} threads: {_median(offlines):.0f} texts/s. "
        "Overhead: client's time minus the model's."
    )
    columns = ["load", "requests/s", "of offline", "p50 ms", "p99 ms", "p99 / lone p50", "overhead p50 ms", "statuses"]
    publish(f"Load, {options.threads} threads", note, columns, rows, options.output)


def _overhead_ms(outcomes: Outcomes) -> float:
    pairs = zip(outcomes.seconds, outcomes.inference_s, strict=True)
    return statistics.median(total - model for total, model in pairs) * 1e3


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _statuses(outcomes: list[Outcomes]) -> dict[str, int]:
    total = outcomes[0].statuses.copy()
    for each in outcomes[1:]:
        total += each.statuses
    return dict(sorted(total.items()))


if __name__ == "__main__":
    main()
