from __future__ import annotations

import os
from pathlib import Path

import pytest

from torchless.running import cgroups, threads


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with eight CPUs and a cgroup tree of our own."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cgroups, "folders", lambda _: [tmp_path])
    return tmp_path


def test_without_a_quota_affinity_counts(host: Path) -> None:
    assert threads.available_threads() == 8
    (host / "cpu.max").write_text("max 100000\n")
    assert threads.available_threads() == 8


@pytest.mark.parametrize(("quota", "expected"), [("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1)])
def test_a_cgroup_quota_counts(host: Path, quota: str, expected: int) -> None:
    (host / "cpu.max").write_text(quota)
    assert threads.available_threads() == expected


def test_an_old_cgroup_quota_counts(host: Path) -> None:
    (host / "cpu.cfs_quota_us").write_text("300000\n")
    (host / "cpu.cfs_period_us").write_text("100000\n")
    assert threads.available_threads() == 3
    (host / "cpu.cfs_quota_us").write_text("-1\n")
    assert threads.available_threads() == 8


def test_a_quota_above_affinity_does_not_add_cpus(host: Path) -> None:
    (host / "cpu.max").write_text("1600000 100000")
    assert threads.available_threads() == 8


@pytest.mark.parametrize("content", ["100000 0", "abc", "", "1 2 3", "-5 100000", "0 100000", "9" * 400 + " 1", "\0"])
def test_a_quota_that_makes_no_sense_is_none(host: Path, content: str) -> None:
    (host / "cpu.max").write_text(content)
    assert threads.available_threads() == 8


@pytest.mark.parametrize("content", ["garbage", "", "0::/\0", ":", "\n\n1:2", "0::/../../.."])
def test_a_cgroup_that_makes_no_sense_stops_nothing(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _: content)
    assert threads.available_threads() >= 1


def test_every_ancestor_of_a_cgroup_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _: "0::/a/b\n")
    assert [str(folder) for folder in cgroups.folders("cpu")] == [
        "/sys/fs/cgroup/a/b",
        "/sys/fs/cgroup/a",
        "/sys/fs/cgroup",
    ]
