"""Memory that was taken is moved to huge pages, whatever is in it stays, and nothing else is touched."""

from __future__ import annotations

import mmap
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from torchless.running import huge_pages
from torchless.running.huge_pages import anonymous, collapse, collapsing, without

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="MADV_COLLAPSE is Linux's")
SIZE = 16 << 20


def huge_bytes(address: int) -> int:
    """How much of the mapping at an address lies in huge pages."""
    found = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) .*\n(?:\w.*\n)*?AnonHugePages: +(\d+) kB", smaps(), re.MULTILINE)
    return next(int(kib) << 10 for begin, end, kib in found if int(begin, 16) <= address < int(end, 16))


def smaps() -> str:
    return Path("/proc/self/smaps").read_text()


@pytest.fixture
def memory() -> np.ndarray:
    """Numbers in small pages."""
    block = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    block.madvise(mmap.MADV_NOHUGEPAGE)
    numbers = np.frombuffer(block, np.int64)
    numbers[:] = np.arange(len(numbers))
    block.madvise(mmap.MADV_HUGEPAGE)
    return numbers


def place(numbers: np.ndarray) -> tuple[int, int]:
    address = numbers.__array_interface__["data"][0]
    return address, address + numbers.nbytes


def collapses(numbers: np.ndarray) -> None:
    if collapse([place(numbers)]) == 0:
        pytest.skip("this kernel has no MADV_COLLAPSE")


def test_what_is_in_memory_stays_when_it_moves(memory: np.ndarray) -> None:
    collapses(memory)
    assert huge_bytes(place(memory)[0]) >= SIZE - (4 << 20)
    assert np.array_equal(memory, np.arange(len(memory)))


def test_memory_that_is_not_in_use_is_not_taken() -> None:
    block = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    numbers = np.frombuffer(block, np.int64)
    assert collapse([place(numbers)]) == 0


def test_memory_of_before_is_left_alone() -> None:
    assert without([(0, 10), (20, 30), (40, 50)], [(2, 4), (6, 8), (15, 25), (40, 50)]) == [
        (0, 2),
        (4, 6),
        (8, 10),
        (25, 30),
    ]
    assert without(anonymous(), [(0, 1 << 64)]) == []


@pytest.mark.parametrize(
    ("size", "switch", "begins"),
    [(1 << 30, "", True), (1 << 30, "1", True), (1 << 30, "0", False), (1 << 30, " OFF ", False), (1 << 20, "", False)],
)
def test_it_is_for_large_weights_and_can_be_turned_off(
    size: int, switch: str, begins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHLESS_HUGE_PAGES", switch)
    monkeypatch.setattr(huge_pages, "_possible", lambda: True)
    monkeypatch.setattr(huge_pages, "_DELAY_S", 0)
    moved: list[huge_pages.Ranges] = []
    monkeypatch.setattr(huge_pages, "collapse", moved.append)
    with collapsing(size):
        block = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        begin, end = place(np.frombuffer(block, np.int64))
    deadline = time.monotonic() + (10 if begins else 0.1)
    while not moved and time.monotonic() < deadline:
        time.sleep(0.01)
    assert bool(moved) is begins
    if begins:
        assert any(low <= begin and end <= high for low, high in moved[0]), "the block's memory is not among it"


def test_an_administrator_who_turned_huge_pages_off_is_obeyed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "enabled").write_text("always madvise [never]\n")
    monkeypatch.setattr(huge_pages, "_SYSTEM", tmp_path / "enabled")
    assert not huge_pages._possible.__wrapped__()
