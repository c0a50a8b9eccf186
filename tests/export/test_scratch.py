"""The folder for temporary files: where it is too small, the error says which it was and what helps."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest

from torchless import Bundle
from torchless_export import export
from torchless_export.errors import ScratchError
from torchless_export.scratch import scratch_folder


def test_a_full_disk_is_named_with_what_helps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    said = r"temporary file \(No space left on device\)\. Let TMPDIR name"
    with pytest.raises(ScratchError, match=said), scratch_folder():
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_is_not_the_disk_s_is_left_as_it_is() -> None:
    with pytest.raises(OSError, match="could not get source code"), scratch_folder():
        raise OSError("could not get source code")


def test_no_folder_for_temporary_files_leaves_fp32_alone(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    report = export(checkpoint, tmp_path / "out")
    assert "TMPDIR" in report.left_out["int8"][0]
    assert list(Bundle.open(tmp_path / "out").manifest.variants) == ["fp32"]
    with pytest.raises(ScratchError):
        export(checkpoint, tmp_path / "named", precisions=["fp32", "int8"])
