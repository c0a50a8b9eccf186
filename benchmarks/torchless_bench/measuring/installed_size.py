"""Megabytes of a fresh installation, of Torchless and of PyTorch with transformers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torchless


def measure(work: Path) -> dict[str, float]:
    """Install both into empty folders with pip, and add up the file sizes. Takes minutes.

    Returns:
        MB by what was installed.
    """
    source = Path(torchless.__file__).parents[2]
    ours = str(source) if (source / "pyproject.toml").exists() else f"torchless=={torchless.__version__}"
    # Without a local label such as +cpu: an index may offer the same build under the plain number.
    torch = f"torch=={version('torch').partition('+')[0]}"
    return {
        "Torchless": _install(work / "size-torchless", [ours]),
        "torch CPU + transformers": _install(work / "size-torch", [torch, f"transformers=={version('transformers')}"]),
    }


def _install(folder: Path, requirements: list[str]) -> float:
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(folder)]
    try:
        subprocess.run([*pip, *requirements], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    finally:
        shutil.rmtree(folder, ignore_errors=True)
