"""A contest among fake engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from torchless_bench.contenders import Contender, Job
from torchless_bench.contest import Contest, Pace
from torchless_bench.progress import Progress
from torchless_bench.workloads import Workload

PACE = Pace(rounds=2, seconds=0.0, calls=2, list_rounds=2)
WORKLOADS = [
    Workload("1 x 8", "single", [["one"], ["two two"]], 8),
    Workload("list of 3", "list", [["a", "bb", "ccc"]]),
]


@pytest.fixture(autouse=True)
def _fake_engines_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@pytest.fixture
def job(tmp_path: Path, tiny: Path) -> Job:
    return Job(checkpoint=tmp_path, bundle=tiny, work=tmp_path, threads=1)


@pytest.fixture
def hold(job: Job) -> Callable[..., Contest]:
    """Hold a contest: the reference against one fake engine, named by its function."""

    def hold(function: str, kind: str = "exact") -> Contest:
        contenders = [
            Contender("reference", "The reference", "exact", "fake_engines:load"),
            Contender("fake", "The fake", kind, f"fake_engines:{function}"),  # type: ignore[arg-type]
        ]
        with Contest(contenders, job, Progress()) as contest:
            contest.load()
            contest.compare(["a", "bb", "ccc", "dddd"], (["x", "yy"], [0, 1]))
            for workload in WORKLOADS:
                contest.time(workload, PACE)
        return contest

    return hold
