"""Three times the server's capacity for a minute: what it answers and refuses, its memory, and how it recovers."""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter

import uvloop

from torchless_bench.serving.client import Outcomes, closed_loop, connect, open_loop, requests
from torchless_bench.serving.process import ServerProcess, allow_files, torchless_server
from torchless_bench.serving.report import add_arguments, counted, publish, read_texts

RECOVERY_S = 10.0
TEXTS_PER_REQUEST = 4  # more than one, so that the model is overloaded before the client is


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--seconds", metavar="S", type=float, default=60.0, help="seconds of overload (default: 60)")
    parser.add_argument(
        "--times",
        metavar="X",
        type=float,
        default=3.0,
        help="load as a multiple of the measured capacity (default: 3)",
    )
    options = parser.parse_args()
    allow_files()
    texts = read_texts(options.texts)
    groups = [texts[place : place + TEXTS_PER_REQUEST] for place in range(0, len(texts), TEXTS_PER_REQUEST)]
    made = requests("/embed", [{"inputs": group} for group in groups])
    with tempfile.TemporaryDirectory() as folder:
        server = torchless_server(options.model, Path(folder) / "log")
        try:
            _publish(options, uvloop.run(_measure(options, server, made)))
        finally:
            server.stop()


async def _measure(options: argparse.Namespace, server: ServerProcess, made: list[bytes]) -> list[tuple[str, str]]:
    calm = await closed_loop(server.port, made, concurrency=1, seconds=2)
    capacity = (await closed_loop(server.port, made, concurrency=32, seconds=5)).per_second
    rate = capacity * options.times
    warm = await open_loop(server.port, made, per_second=rate, seconds=10, seed=1)
    before_mib = server.rss_mib()
    flood = await open_loop(server.port, made, per_second=rate, seconds=options.seconds, seed=2)
    after_mib = server.rss_mib()
    recovery_s = await _recovery(server.port, made, calm.percentile_ms(99) / 1e3)
    limit_s = server.metric("torchless_queue_limit_tokens") / server.metric("torchless_tokens_per_second")
    statuses = flood.statuses + warm.statuses
    return [
        ("capacity", f"{capacity:.0f} requests/s of {TEXTS_PER_REQUEST} texts"),
        ("sent", f"{rate:.0f} requests/s for {options.seconds:.0f} s after 10 s of the same"),
        ("statuses", counted(statuses)),
        ("answered", f"{flood.per_second:.0f} requests/s"),
        ("Retry-After", _most_common(flood)),
        ("accepted, p50 and p99", f"{flood.percentile_ms(50):.0f} ms, {flood.percentile_ms(99):.0f} ms"),
        ("a full queue at the measured rate", f"{limit_s * 1e3:.0f} ms"),
        ("RSS before and after", f"{before_mib:.1f} MiB, {after_mib:.1f} MiB ({after_mib / before_mib - 1:+.1%})"),
        ("after the last request, all answered in", f"{flood.settled_s:.2f} s"),
        ("and back to calm latency in", f"{flood.settled_s + recovery_s:.2f} s"),
    ]


async def _recovery(port: int, made: list[bytes], calm_s: float) -> float:
    """Seconds until ten requests in a row are each answered within twice the p99 of a calm server."""
    begun_s, good = perf_counter(), 0
    connection = await connect(port)
    while good < 10 and perf_counter() - begun_s < RECOVERY_S:
        sent_s = perf_counter()
        status, _ = await connection.ask(made[0])
        good = good + 1 if status == 200 and perf_counter() - sent_s < 2 * calm_s else 0
    connection.close()
    return perf_counter() - begun_s


def _most_common(outcomes: Outcomes) -> str:
    return ", ".join(f"{seconds} s: {count}" for seconds, count in Counter(outcomes.retry_after_s).most_common(3))


def _publish(options: argparse.Namespace, rows: list[tuple[str, str]]) -> None:
    note = "Random arrivals that do not wait for answers; default limits; client on the same CPUs."
    publish(f"Overload, {options.times:g} times capacity", note, ["what", "measured"], rows, options.output)


if __name__ == "__main__":
    main()
