from __future__ import annotations

import json
from pathlib import Path

import pytest

from torchless_bench.reporting.plots import draw

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


@pytest.mark.parametrize(
    ("run", "plots"),
    [
        ("distilbert-base", ["latency.png", "throughput.png", "start.png"]),
        ("distilbert-base-h100", ["latency.png", "throughput.png"]),  # no cold starts on a GPU
    ],
)
def test_an_old_run_can_be_drawn_again(run: str, plots: list[str], tmp_path: Path) -> None:
    lines = (RESULTS / run / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert draw([json.loads(line) for line in lines], tmp_path) == [tmp_path / name for name in plots]
    for name in plots:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
