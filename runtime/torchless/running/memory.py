"""Memory: how much there is, and giving back to the system what large work took."""

from __future__ import annotations

import ctypes
import math
import sys
from functools import cache
from pathlib import Path
from typing import Any

from . import cgroups

_MANY_TEXTS = 1024


@cache
def _malloc_trim() -> Any:
    """Glibc's function; None where there is another libc."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def trim() -> None:
    """Give back what was freed and is still held by the allocator; nothing where there is another libc.

    Takes milliseconds. glibc keeps what each thread has freed, in an arena of its own, until the process ends.
    """
    if (malloc_trim := _malloc_trim()) is not None:
        malloc_trim(0)


def give_back(texts: int) -> None:
    """After a list of that many texts: what tokenizers' threads have freed."""
    if texts > _MANY_TEXTS:
        trim()


def available_bytes() -> float:
    """Memory that new work can have: what is free or can be freed, within the cgroup's limit; 0 if it is not known."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return 0
    return min([free, *map(_limit, cgroups.folders("memory"))])


def _limit(folder: Path) -> float:
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            return int((folder / name).read_text())
        except (OSError, ValueError):  # not there, or "max"
            continue
    return math.inf
