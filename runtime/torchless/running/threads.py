"""Threads: how many this process may use (its CPU affinity, cut by its cgroup's CPU quota), and starting one.

onnxruntime counts the host's cores, so in a container with a quota its threads fight over a share of them
(microsoft/onnxruntime#29510).
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from pathlib import Path

from . import cgroups


def available_threads() -> int:
    """CPU affinity ∩ cgroup quota, at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = min((_quota(folder) for folder in cgroups.folders("cpu")), default=math.inf)
    return max(1, min(affinity, math.ceil(quota) if quota != math.inf else affinity))


def started(
    work: Callable[[], object], name: str | None = None, *, daemon: bool | None = None
) -> threading.Thread | None:
    """A thread that does the work; None where no more can be started: while Python ends, or at the system's limit."""
    thread = threading.Thread(target=work, name=name, daemon=daemon)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def _quota(folder: Path) -> float:
    """CPUs that a cgroup folder allows; infinity where it sets no limit, or none that makes sense."""
    for names in (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"]):
        try:
            quota, period = " ".join((folder / name).read_text() for name in names).split()
            cpus = int(quota) / int(period)
        except (OSError, ValueError, ArithmeticError):  # not there, "max", or nonsense: never a reason not to run
            continue
        return cpus if cpus > 0 else math.inf
    return math.inf
