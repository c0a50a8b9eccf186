"""Processes in which libraries find AVX2 and nothing newer."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from torchless_bench.hardware_and_versions import instruction_sets
from torchless_bench.measuring import avx2

LIMITED = "from torchless_bench.measuring import avx2; avx2.limit()\n"
pytestmark = pytest.mark.skipif(avx2.why_not() is not None, reason=f"AVX2 alone: {avx2.why_not()}")


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIMITED + textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_library_that_is_loaded_afterwards_finds_avx2_and_nothing_newer() -> None:
    found = run("""
        import sys
        assert "numpy" not in sys.modules, "it asked the CPU before"
        from numpy._core._multiarray_umath import __cpu_features__ as found
        print(sorted(name for name, there in found.items() if there))
    """)
    assert found.returncode == 0, found.stderr
    assert "AVX2" in found.stdout
    assert "AVX512" not in found.stdout


def test_threads_that_start_later_find_the_same() -> None:
    found = run("""
        import threading
        def look():
            import torch
            print(torch.backends.cpu.get_cpu_capability())
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    """)
    assert found.stdout == "AVX2\n"


def test_a_real_fault_ends_the_process_as_ever() -> None:
    assert run("import ctypes; ctypes.string_at(0)").returncode == -11


def test_a_module_runs_with_its_arguments() -> None:
    command = [*avx2.command("avx2"), "torchless_bench.measuring.flops", "numpy", "1"]
    assert float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) > 0
    assert len(avx2.command(None)) == 2


def test_the_report_names_no_instructions_that_were_hidden() -> None:
    assert set(instruction_sets("avx2")) <= {"avx2", "fma"}
