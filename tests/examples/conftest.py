"""How examples are run: as people run them, in a process of their own, from the root of a clone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run() -> Run:
    """Run Python with these arguments and wait for its end."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)

    return run


@pytest.fixture
def needs() -> Callable[[str], None]:
    """Skip where a package of the dependency group `examples` is missing; in CI, which sets REQUIRE_EXAMPLES, fail."""

    def needs(package: str) -> None:
        if find_spec(package) is None:
            stop = pytest.fail if os.environ.get("REQUIRE_EXAMPLES") else pytest.skip
            stop(f"{package} is not installed: pip install --group examples")

    return needs
