"""CPU seconds of one process, and of the whole machine."""

from __future__ import annotations

import os
from pathlib import Path


def of_process(pid: int) -> float:
    """CPU seconds of all threads of a process since it started; 0 where there is no /proc."""
    nanoseconds = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            nanoseconds += int(path.read_text().split()[0])
        except (OSError, IndexError):
            continue  # a thread that ended after its folder was listed
    return nanoseconds / 1e9


def of_machine() -> float:
    """CPU seconds of all processes since the machine started; 0 where there is no /proc/stat."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = map(int, fields)
    ticks = user + nice + system + interrupts + soft_interrupts + stolen
    return ticks / float(os.sysconf("SC_CLK_TCK"))
