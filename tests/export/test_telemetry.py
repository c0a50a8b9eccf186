from __future__ import annotations

from pathlib import Path
from typing import Any


def test_an_export_leaves_no_trace_but_its_bundle(fresh_home: Any, checkpoint: Path, tmp_path: Path) -> None:
    options = ("--max-disagreement", "1", "--min-embedding-cosine", "0")
    fresh_home.run("-m", "torchless", "export", checkpoint, tmp_path / "bundle", *options)
    assert (tmp_path / "bundle" / "manifest.json").exists()
    assert fresh_home.traces() == []


def test_onnxruntime_s_is_off_before_an_exporter_imports_it(fresh_home: Any) -> None:
    fresh_home.run("-c", "import torchless_export, onnxruntime")
    assert fresh_home.traces() == []
