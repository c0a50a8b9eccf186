"""`torchless serve` beside other servers: the same machine, threads and texts, one server at a time.

`torchless bench` measures the same beside everything else; this is for servers alone, or in another interpreter.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from torchless_bench.journal import Journal
from torchless_bench.measuring.spread import Spread
from torchless_bench.serving import contest
from torchless_bench.serving.report import add_arguments, counted, publish, read_texts
from torchless_bench.serving.servers import OURS, servers
from torchless_bench.status_line import StatusLine


def main() -> None:
    """Measure and publish."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder, StatusLine() as status_line:
        compared = servers(
            Path(options.model),
            Path(options.against),
            read_texts(options.texts),
            logs=Path(folder),
            threads=options.threads,
            python=options.python,
        )
        served = contest.hold(
            compared, rounds=options.rounds, seconds=options.seconds, journal=Journal(), status_line=status_line
        )
    _publish(options, served)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_arguments(parser)
    parser.add_argument(
        "--against", metavar="CHECKPOINT", required=True, help="folder of the checkpoint that MODEL was exported from"
    )
    parser.add_argument(
        "--python",
        metavar="FILE",
        default=sys.executable,
        help="interpreter with the other servers (default: this one)",
    )
    parser.add_argument("--threads", metavar="N", type=int, default=2, help="CPUs of each server (default: 2)")
    parser.add_argument("--rounds", metavar="N", type=int, default=3, help="number of rounds (default: 3)")
    parser.add_argument("--seconds", metavar="S", type=float, default=5.0, help="seconds per measurement (default: 5)")
    return parser.parse_args()


def _publish(options: argparse.Namespace, served: list[contest.Served]) -> None:
    rows = []
    ours = next(each for each in served if each.title == OURS)
    if ours.problem:
        sys.exit(f"{OURS} did not start: {ours.problem}")
    for each in served:
        for number, load in each.loads.items():
            rows.append(
                [
                    each.title,
                    number,
                    f"{Spread.of(load.per_second).median:.0f}",
                    f"{Spread.of(load.p50_ms).median:.1f}",
                    f"{Spread.of(load.p99_ms).median:.1f}",
                    f"{each.times_slower(ours, number).median:.1f}",
                    counted(load.statuses),
                ]
            )
    note = f"One text per request, {options.threads} CPUs per server, {options.rounds} rounds in turn, medians."
    note += "".join(f" {each.title} did not start: {each.problem}." for each in served if each.problem)
    columns = ["server", "at a time", "requests/s", "p50 ms", "p99 ms", "times slower than torchless", "statuses"]
    publish("Beside other servers", note, columns, rows, options.output)


if __name__ == "__main__":
    main()
