"""`torchless serve` beside other servers: the same machine, threads and texts, one server at a time."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from torchless_bench.serving.client import Outcomes, closed_loop, requests
from torchless_bench.serving.process import ServerProcess, torchless_server
from torchless_bench.serving.report import add_arguments, publish, read_texts

CONCURRENCY = (1, 8, 32)
_LIMITED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> None:
    """Measure and publish."""
    options = _options()
    texts = read_texts(options.texts)
    plain = requests("/predict", [{"inputs": text} for text in texts])
    listed = requests("/classify", [{"model": "model", "input": [text]} for text in texts])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        makers: dict[str, tuple[Callable[[], ServerProcess], list[bytes]]] = {
            "torchless serve": (
                lambda: torchless_server(options.model, folder / "torchless", "--workers", str(options.threads)),
                plain,
            ),
            "FastAPI + pipeline": (lambda: _peer(options, folder, "fastapi_pipeline"), plain),
            "LitServe + pipeline": (lambda: _peer(options, folder, "litserve_pipeline"), plain),
            "infinity (torch)": (lambda: _infinity(options, folder), listed),
        }
        runs: dict[str, list[dict[int, Outcomes]]] = {}
        absent: dict[str, str] = {}
        for turn in range(options.rounds):
            for each in list(makers) if turn % 2 == 0 else list(makers)[::-1]:
                if each in absent:
                    continue
                make, made = makers[each]
                try:
                    server = make()
                except (RuntimeError, subprocess.SubprocessError, OSError) as error:
                    absent[each] = str(error).strip().splitlines()[-1]
                    continue
                try:
                    runs.setdefault(each, []).append(_measure(server, made, options.seconds))
                finally:
                    server.stop()
    _publish(options, runs, absent)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
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
    parser.add_argument("--threads", metavar="N", type=int, default=2, help="threads of each server (default: 2)")
    parser.add_argument("--rounds", metavar="N", type=int, default=3, help="number of rounds (default: 3)")
    parser.add_argument("--seconds", metavar="S", type=float, default=5.0, help="seconds per measurement (default: 5)")
    return parser.parse_args()


def _measure(server: ServerProcess, made: list[bytes], seconds: float) -> dict[int, Outcomes]:
    uvloop.run(closed_loop(server.port, made, concurrency=4, seconds=2))
    time.sleep(0.5)
    return {
        number: uvloop.run(closed_loop(server.port, made, concurrency=number, seconds=seconds))
        for number in CONCURRENCY
    }


def _peer(options: argparse.Namespace, folder: Path, module: str) -> ServerProcess:
    file = Path(__file__).parent / "peer_servers" / f"{module}.py"
    command = [options.python, str(file), options.against, "{port}", str(options.threads)]
    environment = dict.fromkeys(_LIMITED, str(options.threads))
    return ServerProcess(command, folder / module, ready="/health", environment=environment)


def _infinity(options: argparse.Namespace, folder: Path) -> ServerProcess:
    program = Path(options.python).parent / "infinity_emb"
    if not program.is_file():
        raise RuntimeError("infinity_emb is not installed beside that interpreter")
    command = [str(program), "v2", "--model-id", options.against, "--served-model-name", "model", "--port", "{port}"]
    command += ["--host", "127.0.0.1", "--engine", "torch", "--device", "cpu", "--no-bettertransformer"]
    environment = dict.fromkeys(_LIMITED, str(options.threads)) | {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    return ServerProcess(command, folder / "infinity", ready="/health", environment=environment)


def _publish(options: argparse.Namespace, runs: dict[str, list[dict[int, Outcomes]]], absent: dict[str, str]) -> None:
    rows = []
    ours = runs["torchless serve"]
    for name, rounds in runs.items():
        for number in CONCURRENCY:
            each = [turn[number] for turn in rounds]
            ratio = [ours[place][number].per_second / outcome.per_second for place, outcome in enumerate(each)]
            statuses = sum((outcome.statuses for outcome in each[1:]), each[0].statuses)
            rows.append(
                [
                    name,
                    number,
                    f"{statistics.median(outcome.per_second for outcome in each):.0f}",
                    f"{statistics.median(outcome.percentile_ms(50) for outcome in each):.1f}",
                    f"{statistics.median(outcome.percentile_ms(99) for outcome in each):.1f}",
                    f"{statistics.median(ratio):.1f}",
                    ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items())),
                ]
            )
    note = f"One text per request, {options.threads} threads per server, {options.rounds} rounds in turn, medians."
    note += "".join(f" {name} did not start: {reason}." for name, reason in absent.items())
    columns = ["server", "at a time", "requests/s", "p50 ms", "p99 ms", "times slower than torchless", "statuses"]
    publish("Beside other servers", note, columns, rows, options.output)


if __name__ == "__main__":
    main()
