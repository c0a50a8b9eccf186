"""A contest among fake contenders, and tokenizers to count tokens with."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from torchless_bench.contenders.contender import Contender, Setup
from torchless_bench.measuring.contest import Contest, Pace
from torchless_bench.status_line import StatusLine
from torchless_bench.workloads import Workload

PACE = Pace(rounds=2, seconds=0.0, calls=2, list_rounds=2)
WORKLOADS = [
    Workload("1 x 8", "single", [["one"], ["two two"]], 8),
    Workload("list of 3", "list", [["a", "bb", "ccc"]]),
]


@pytest.fixture(autouse=True)
def _fake_contenders_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


@pytest.fixture
def setup(tmp_path: Path, tiny: Path) -> Setup:
    return Setup(checkpoint=tmp_path, bundle=tiny, work=tmp_path, threads=1)


@pytest.fixture
def hold(setup: Setup) -> Callable[..., Contest]:
    """Hold a contest: the reference against one fake contender, named by its function."""

    def hold(function: str, kind: str = "exact") -> Contest:
        contenders = [
            Contender("reference", "The reference", "exact", "fake_contenders:load"),
            Contender("fake", "The fake", kind, f"fake_contenders:{function}"),  # type: ignore[arg-type]
        ]
        with Contest(contenders, setup, StatusLine()) as contest:
            contest.load()
            contest.compare(["a", "bb", "ccc", "dddd"], (["x", "yy"], [0, 1]))
            for workload in WORKLOADS:
                contest.time(workload, PACE)
        return contest

    return hold


@pytest.fixture(params=["tiny", "mini"])
def count_tokens(request: pytest.FixtureRequest) -> Callable[[str], int]:
    tokenizer = Tokenizer.from_file(str(request.getfixturevalue(request.param) / "tokenizer.json"))
    tokenizer.no_truncation()
    return lambda *texts: len(tokenizer.encode(*texts).ids)
