"""An export ends with something usable: int8 that was not asked for and fails its gates is left out, and said to be."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Bundle, Classifier, verify
from torchless.cli import main
from torchless.errors import InferenceError
from torchless_export import export, exporting
from torchless_export.errors import QualityError
from torchless_export.measures import measures_of
from torchless_export.precision import rounding
from torchless_export.quality import Gates
from torchless_export.reports import QualityReport

STRICT = Gates(max_disagreement=1, max_score_error=1e-6)
STRICT_FLAGS = ["--max-disagreement", "1.0", "--max-score-error", "1e-06"]


def files_of(bundle: Path) -> set[str]:
    """Names of the files of a bundle that has fp32 alone, after checking that it is sound."""
    manifest = Bundle.open(bundle).manifest
    assert list(manifest.variants) == ["fp32"]
    assert manifest.default_precision == "fp32"
    assert [report.precision for report in verify(bundle)] == ["fp32"]
    assert set(json.loads((bundle / "golden.json").read_bytes())["variants"]) == {"fp32"}
    files = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert files == {*manifest.files, "manifest.json"}
    return set(manifest.files)


@pytest.fixture
def broken_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of 7 levels instead of 127."""
    monkeypatch.setattr(rounding, "_WEIGHT_MAX", 3)


@pytest.fixture
def train(tmp_path: Path, sentences: list[str]) -> Path:
    """Text to calibrate on, with more rows than that takes: the others are compared."""
    path = tmp_path / "my train.txt"
    path.write_text("\n".join(f"{text} {number}" for number in range(12) for text in sentences))
    return path


@pytest.mark.parametrize("graph", ["packed", "padded"])
def test_int8_that_fails_is_left_out_of_the_bundle_and_described_in_it(
    checkpoint: Path, tmp_path: Path, graph: Any
) -> None:
    report = export(checkpoint, tmp_path / "out", graph=graph, gates=STRICT)
    (finding,) = report.left_out["int8"]
    assert finding.startswith("scores differ from fp32 by ")
    assert not [name for name in files_of(tmp_path / "out") if "int8" in name or "quantized" in name]
    assert Classifier.load(tmp_path / "out").precision == "fp32"
    figures = Bundle.open(tmp_path / "out").manifest.quality["int8"]
    assert figures["left_out"] == finding
    assert figures["score_error"] == report.quality["int8"].score_error
    assert f"**int8 is not in this bundle**: {finding}." in (tmp_path / "out" / "README.md").read_text()


def test_int8_that_passes_is_there_and_nothing_is_left_out(checkpoint: Path, tmp_path: Path) -> None:
    report = export(checkpoint, tmp_path / "out", gates=Gates(max_disagreement=1, max_score_error=1))
    assert report.left_out == {}
    manifest = Bundle.open(tmp_path / "out").manifest
    assert list(manifest.variants) == ["fp32", "int8"]
    assert manifest.default_precision == "int8"
    assert "left_out" not in manifest.quality["int8"]


@pytest.mark.parametrize("precisions", [["int8"], ["fp32", "int8"]])
def test_int8_that_was_asked_for_fails_the_export(checkpoint: Path, tmp_path: Path, precisions: Any) -> None:
    with pytest.raises(QualityError, match="the int8 graph failed its gate: scores differ"):
        export(checkpoint, tmp_path / "out", precisions=precisions, gates=STRICT)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("broken_int8")
def test_a_broken_int8_fails_the_default_gates(checkpoint: Path, tmp_path: Path) -> None:
    report = export(checkpoint, tmp_path / "out")
    assert "int8" in report.left_out
    files_of(tmp_path / "out")


def test_int8_that_cannot_run_is_left_out_unless_it_was_asked_for(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise InferenceError("the graph answered NaN")

    monkeypatch.setattr(exporting, "measures_of", lambda kind: replace(measures_of(kind), quality=fail))
    with pytest.raises(InferenceError, match="NaN"):
        export(checkpoint, tmp_path / "out", precisions=["fp32", "int8"])
    assert main(["export", str(checkpoint), str(tmp_path / "out")]) == 0
    assert "weights.int8" not in files_of(tmp_path / "out")
    assert Bundle.open(tmp_path / "out").manifest.quality["int8"] == {"left_out": "the graph answered NaN"}
    assert "**int8 is not in this bundle**: the graph answered NaN." in (tmp_path / "out" / "README.md").read_text()


def last_line(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, list[str]]:
    """Why the last line of an export advises a command, and that command's words."""
    assert main(["export", *arguments]) == 0
    *_, left_out, advice = capsys.readouterr().out.splitlines()
    assert left_out.startswith("  int8 is left out: ")
    why, command = advice.split(": torchless export ")
    return why, shlex.split(command)


def test_the_last_line_advises_what_was_not_done_yet(
    checkpoint: Path, tmp_path: Path, train: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(checkpoint), str(tmp_path / "my bundle"), "--no-pairs", *STRICT_FLAGS]
    why, command = last_line(capsys, *given)
    assert why == "Calibrate int8 on text like the model's own (FILE)"
    assert command == [*given, "--calibration", "FILE"]

    why, command = last_line(capsys, *command[:-1], str(train))
    assert why == "Ship this int8 all the same, by moving its gates"
    assert main(["export", *command]) == 0
    assert capsys.readouterr().out.startswith(f"{given[1]}: a bundle of fp32 and int8\n")


def test_a_small_calibration_file_leads_to_text_to_compare_on(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "few.txt").write_text("good\nbad\n")
    few = ["--calibration", str(tmp_path / "few.txt")]
    why, command = last_line(capsys, str(checkpoint), str(tmp_path / "out"), *few, *STRICT_FLAGS)
    assert why == "Compare int8 on labelled text like the model's own (FILE)"
    assert command[-2:] == ["--evaluate", "FILE"]
    assert command[2:4] == few


def test_a_gate_that_no_value_opens_is_not_advised(
    checkpoint: Path, tmp_path: Path, train: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = measures_of("classifier")

    def measured(*given: Any) -> QualityReport:
        return replace(ours.quality(*given), score_error=np.inf)

    monkeypatch.setattr(exporting, "measures_of", lambda _: replace(ours, quality=measured))
    why, command = last_line(capsys, str(checkpoint), str(tmp_path / "out"), "--calibration", str(train))
    assert why == "Write the same bundle without trying int8"
    assert command[-2:] == ["--precision", "fp32"]


def test_an_error_never_advises_what_was_done(checkpoint: Path, tmp_path: Path, train: Path) -> None:
    with pytest.raises(QualityError, match=r"\(FILE\) with --calibration FILE, ship --precision fp32"):
        export(checkpoint, tmp_path / "out", precisions=["int8"], gates=STRICT)
    with pytest.raises(QualityError, match=r"allowed 0\.00%\. Ship --precision fp32, or move the gate"):
        export(checkpoint, tmp_path / "out", precisions=["int8"], gates=STRICT, calibration=train)
