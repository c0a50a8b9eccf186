"""Where the system keeps the limits of the container, or of the service, that this process runs in."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def folders(controller: str) -> list[Path]:
    """This process's cgroup and its ancestors, each of which may hold a limit (v2, then v1).

    Args:
        controller: whose limit it is: "cpu" or "memory".
    """
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):  # ValueError: bytes that are no text
        return []
    found: list[Path] = []
    for line in lines:
        if line.count(":") < 2:
            continue
        _, controllers, name = line.split(":", 2)
        root = ROOT / controller if controller in controllers.split(",") else ROOT
        here = root / name.lstrip("/")
        found += [folder for folder in (here, *here.parents) if folder.is_relative_to(root)]
    return found
