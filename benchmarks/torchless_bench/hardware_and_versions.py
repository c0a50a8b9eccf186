"""What a run was measured on: hardware, and versions of packages."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

# This file imports the standard library alone: avx2.py reads it before anything may look at the CPU.

InstructionSet = Literal["avx2"]
# The instruction sets by which libraries choose their kernels.
_INSTRUCTION_SETS = (
    "avx2", "fma", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm",
)  # fmt: skip
_UP_TO_AVX2 = ("avx2", "fma")
_PACKAGES = (
    "torchless", "numpy", "onnxruntime", "onnxruntime-gpu", "tokenizers", "torch", "transformers", "optimum",
    "optimum-onnx", "openvino", "nncf", "ctranslate2", "sentence-transformers", "fastembed",
)  # fmt: skip


def hardware(isa: InstructionSet | None = None) -> dict[str, Any]:
    """The CPU's model, number of cores and instruction sets (to `isa`), the memory in GiB, and the system."""
    return {
        "cpu": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "instruction_sets": instruction_sets(isa),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def gpu() -> str:
    """The GPU's name and its driver's version, as nvidia-smi prints them."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def versions() -> dict[str, str]:
    """The versions of Python and of all installed packages that a contender uses."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def instruction_sets(isa: InstructionSet | None = None) -> list[str]:
    """The CPU's instruction sets by which libraries choose their kernels; empty where there is no /proc/cpuinfo.

    Args:
        isa: leaves out those that are newer.
    """
    found = cpu_flags()
    return [name for name in _INSTRUCTION_SETS if name in found and (isa is None or name in _UP_TO_AVX2)]


def cpu_flags() -> set[str]:
    """What /proc/cpuinfo says that the CPU can do; empty where there is none."""
    return set((_cpuinfo("flags") or _cpuinfo("Features")).split())


def _cpuinfo(field: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == field), "")
