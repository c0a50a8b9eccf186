from __future__ import annotations

from pathlib import Path

import pytest

from torchless.running import cgroups
from torchless.running.memory import available_bytes


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cgroups, "folders", lambda _: [tmp_path])
    return tmp_path


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="reads /proc")
def test_memory_is_what_the_system_has_within_the_cgroup_s_limit(limited: Path) -> None:
    whole = available_bytes()
    assert whole > 1 << 20
    (limited / "memory.limit_in_bytes").write_text("5000000\n")
    assert available_bytes() == 5_000_000
    (limited / "memory.max").write_text("max\n")
    (limited / "memory.limit_in_bytes").unlink()
    assert available_bytes() > 1 << 20
    (limited / "memory.max").write_text("4000000\n")
    assert available_bytes() == 4_000_000


@pytest.mark.parametrize("content", ["", "MemAvailable:\n", "MemAvailable: many kB\n", "MemFree: 5 kB\n"])
def test_memory_that_is_not_known_is_none(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _: content)
    assert available_bytes() == 0
