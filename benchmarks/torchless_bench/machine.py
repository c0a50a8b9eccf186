"""What a measurement is worth nothing without: the hardware and the versions."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# The instruction sets that decide which kernels run.
_TELLING = (
    "avx2",
    "fma",
    "avx512f",
    "avx_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimddp",
    "i8mm",
)
_PACKAGES = (
    "torchless", "numpy", "onnxruntime", "onnxruntime-gpu", "tokenizers", "torch", "transformers", "optimum",
    "optimum-onnx", "openvino", "nncf", "ctranslate2", "sentence-transformers", "fastembed",
)  # fmt: skip


def hardware() -> dict[str, Any]:
    """CPU model, cores, instruction sets, memory."""
    return {
        "cpu": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "instruction_sets": instruction_sets(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def gpu() -> str:
    """The GPU's name and its driver's version, as nvidia-smi tells them."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def versions() -> dict[str, str]:
    """Python and every package of a contender that is installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def instruction_sets() -> list[str]:
    """Those of the CPU's instruction sets that matter here; empty where /proc/cpuinfo does not say."""
    flags = set((_cpuinfo("flags") or _cpuinfo("Features")).split())
    return [name for name in _TELLING if name in flags]


def busy_cpu_seconds() -> float:
    """CPU time that all processes together have taken since the machine started; 0 where /proc/stat does not say."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = map(int, fields)
    ticks = user + nice + system + interrupts + soft_interrupts + stolen
    return ticks / float(os.sysconf("SC_CLK_TCK"))


def _cpuinfo(field: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == field), "")
