from __future__ import annotations

import json
from pathlib import Path

import pytest

from torchless_bench.reporting.plots import draw

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


@pytest.mark.parametrize(
    ("run", "plots"),
    [
        ("distilbert-base", ["latency.png", "throughput.png", "start.png", "servers.png", "memory.png"]),
        ("distilbert-base-zen5", ["latency.png", "throughput.png", "start.png"]),
        ("distilbert-base-h100", ["latency.png", "throughput.png"]),  # no cold starts on a GPU
    ],
)
def test_an_old_run_can_be_drawn_again(run: str, plots: list[str], tmp_path: Path) -> None:
    lines = (RESULTS / run / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert draw([json.loads(line) for line in lines], tmp_path) == [tmp_path / name for name in plots]
    for name in plots:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_servers_and_memory_are_drawn_without_those_that_did_not_run(tmp_path: Path) -> None:
    common = {
        "model": "mini",
        "hardware": {"cpu": "CPU", "cores": 2},
        "versions": {"torchless": "1"},
        "threads": 2,
        "created": "2026-11-28T00:00:00",
    }
    spread = {"median": 100.0, "low": 90.0, "high": 110.0}
    served = [
        {"record": "server", "server": "torchless serve", "problem": None, "requests_at_a_time": number}
        for number in (1, 8, 32)
    ]
    records = [
        *({**load, "requests_per_s": spread} for load in served),
        {"record": "server", "server": "absent", "problem": "it is not installed"},
        {"record": "memory", "contender": "torchless-int8", "title": "Torchless int8", "texts": 10, "after_mib": 90.0}
        | {"problem": None},
        {"record": "memory", "contender": "broken", "title": "Broken", "after_mib": None, "problem": "it crashed"},
    ]
    drawn = draw([{**record, **common} for record in records], tmp_path)
    assert [path.name for path in drawn] == ["servers.png", "memory.png"]
