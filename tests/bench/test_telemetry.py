from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from torchless_bench.measuring.process_environment import environment

REPORTS = """
try:
    import openvino_telemetry
except ImportError:
    pass
else:
    openvino_telemetry.report()
"""


def test_the_processes_of_contenders_and_servers_inherit_that_it_is_off(fresh_home: Any) -> None:
    code = (
        "import torchless_bench, os; print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['HF_HUB_DISABLE_TELEMETRY'])"
    )
    assert fresh_home.run("-c", code).split() == ["1", "1"]
    assert environment(1)["ORT_DISABLE_TELEMETRY"] == "1"


def test_onnxruntime_in_a_benchmark_leaves_no_trace(fresh_home: Any) -> None:
    fresh_home.run("-m", "torchless_bench.measuring.flops", "onnxruntime", "1")
    assert fresh_home.traces() == []


@pytest.mark.parametrize("load", ["load_fp32", "load_int8"])
def test_openvino_and_nncf_report_nothing(fresh_home: Any, tmp_path: Path, load: str) -> None:
    (tmp_path / "openvino.py").write_text(REPORTS)
    (tmp_path / "nncf.py").write_text(REPORTS)
    (tmp_path / "openvino_telemetry.py").write_text("def report(): open('reported', 'w')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from torchless_bench.contenders import openvino\n"
    code += f"try: openvino.{load}(None)\nexcept AttributeError: pass\nassert 'openvino' in sys.modules"
    fresh_home.run("-c", code)
    assert fresh_home.traces() == []
