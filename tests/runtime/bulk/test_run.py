"""Runs that are interrupted and continued, rows that cannot be answered, and what is refused before any work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from torchless.bulk.answering import Here
from torchless.bulk.kept import folder_of
from torchless.bulk.questions import Question
from torchless.bulk.rows import Wanted
from torchless.bulk.run import BadRowError, StoppedError
from torchless.errors import InferenceError, InputError, OutputError
from torchless.inputs.windows import Windows

HEADER = "id,text\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Forty-five rows: five chunks."""
    path = tmp_path / "in.csv"
    path.write_text(HEADER + "".join(f"{row},text number {row}\n" for row in range(45)), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl.gz", "out.parquet"])
def test_a_run_that_failed_continues_and_makes_the_same_bytes(
    failing: Any, score: Any, source: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow.parquet")
    whole, output = tmp_path / f"whole.{name}", tmp_path / name
    score(source, whole)
    with pytest.raises(InferenceError):
        score(source, output, failing)
    assert not output.exists()
    kept = int(capsys.readouterr().err.split()[1])
    assert 10 <= kept <= 30
    done = score(source, output)
    assert (done.kept, done.totals.rows) == (kept, 45)
    assert output.read_bytes() == whole.read_bytes()
    assert not folder_of(output).exists()


def test_a_chunk_that_was_damaged_is_answered_again(failing: Any, score: Any, source: Path, tmp_path: Path) -> None:
    whole, output = tmp_path / "whole.csv", tmp_path / "out.csv"
    score(source, whole)
    with pytest.raises(InferenceError):
        score(source, output, failing)
    (folder_of(output) / "00000000.rows").write_bytes(b"cut")
    assert score(source, output).kept == 0
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("change", "what"),
    [({"top_k": None}, "--top-k"), ({"memory": 1 << 25}, "--memory"), ({"windows": None, "prefix": "x_"}, "--prefix")],
)
def test_another_option_is_refused_until_restart(
    failing: Any, score: Any, source: Path, tmp_path: Path, change: dict[str, Any], what: str
) -> None:
    output = tmp_path / "out.csv"
    with pytest.raises(InferenceError):
        score(source, output, failing)
    with pytest.raises(InputError, match=f"unfinished run with another {what}"):
        score(source, output, **change)
    assert score(source, output, restart=True, **change).kept == 0


@pytest.mark.parametrize("package", ["torchless", "tokenizers", "onnxruntime", "numpy"])
def test_another_version_is_refused_until_restart(
    failing: Any, score: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    output = tmp_path / "out.csv"
    with pytest.raises(InferenceError):
        score(source, output, failing)
    name = "__version__" if package == "torchless" else f"{package}.__version__"
    monkeypatch.setattr(f"torchless.bulk.job.{name}", "1999.1")
    with pytest.raises(InputError, match=f"(?i)another version of {package}"):
        score(source, output)


def test_an_input_that_changes_stops_the_run(score: Any, source: Path, tmp_path: Path) -> None:
    class Changing(Here):
        def answers(self, chunks: Any) -> Any:
            source.write_text(source.read_text() + "46,more\n")
            return super().answers(chunks)

    with pytest.raises(StoppedError, match="was changed while it was read"):
        score(source, tmp_path / "out.csv", Changing)


def test_another_input_is_refused_until_restart(failing: Any, score: Any, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    with pytest.raises(InferenceError):
        score(source, output, failing)
    stat = source.stat()
    source.write_text(source.read_text().replace("number 3", "nummer 3"))  # as long, and as old
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(InputError, match="another input"):
        score(source, output)


def test_a_run_that_is_killed_continues(tiny: Path, tmp_path: Path) -> None:
    """With SIGKILL, as it is written: the program itself."""
    many = tmp_path / "many.csv"
    many.write_text(HEADER + "".join(f"{row},text number {row}\n" for row in range(40_000)))
    whole, output = tmp_path / "whole.csv", tmp_path / "out.csv"

    def begun(name: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "torchless", "predict", str(tiny), "--input", str(many), "--output", str(name)]
        return subprocess.Popen(command, stderr=subprocess.PIPE)

    for chunks in (1, 4):
        process = begun(output)
        while process.poll() is None and len(list(folder_of(output).glob("*.json"))) < chunks:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    last = begun(output)
    said = last.communicate()[1].decode()
    assert last.returncode == 0, said
    begun(whole).communicate()
    assert output.read_bytes() == whole.read_bytes()
    assert "by an earlier run" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.csv", "out.csv", "whole.csv"]


def test_sigterm_leaves_what_is_finished(tiny: Path, tmp_path: Path) -> None:
    many, output = tmp_path / "many.csv", tmp_path / "out.csv"
    many.write_text(HEADER + "".join(f"{row},text number {row}\n" for row in range(200_000)))
    command = [sys.executable, "-m", "torchless", "predict", str(tiny), "--input", str(many), "--output", str(output)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    while process.poll() is None and not list(folder_of(output).glob("*.json"))[1:]:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1].decode()
    assert process.returncode == 143
    assert "rows are finished and kept in" in said
    assert "Traceback" not in said
    assert not output.exists()


def test_bad_rows_go_to_a_side_file(score: Any, tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    long = b"x" * 1_000_001
    lines = [b"id,text", b"1,fine", b"2,a,b", b"3", b"4,\xff", b'5,"open', b"6,fine", b"7," + long, b"8,"]
    source.write_bytes(b"\n".join(lines) + b"\n")
    done = score(source, output)
    rows = [line.split(",") for line in output.read_text(encoding="utf-8").splitlines()]
    assert [row[0] for row in rows] == ["id", "1", "2", "3", "4", "", "6", "7", "8"]
    assert [bool(row[-1]) for row in rows[1:]] == [True, False, False, False, False, True, False, True]
    assert done.totals.problems == 5
    listed = [json.loads(line) for line in done.errors.read_text(encoding="utf-8").splitlines()]
    assert [(each["row"], each["line"]) for each in listed] == [(2, 3), (3, 4), (4, 5), (5, 6), (7, 8)]
    reasons = [each["reason"] for each in listed]
    assert reasons[0] == "expected 2 columns, got 3"
    assert reasons[2].startswith("not UTF-8 (byte 0xff")
    assert "a quote that nothing closes" in reasons[3]
    assert "at most 1,000,000 characters" in reasons[4]
    assert len(listed[4]["content"]) == 1000


def test_bad_json_lines_go_to_a_side_file(score: Any, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [
        '{"text": "a"}',
        '{"text": null}',
        '{"text": 5}',
        "nonsense",
        "[1]",
        '{"x": 1}',
        '{"text": "\\ud800"}',
        '{"text": ""}',
    ]
    source.write_text("\n".join(lines))
    done = score(source, output)
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [row["label"] is None for row in rows] == [False, *[True] * 6, False]
    reasons = [json.loads(line)["reason"] for line in done.errors.read_text(encoding="utf-8").splitlines()]
    expected = ["null", "expected a string, got int", "not JSON", "expected an object", "no key text", "the text: lone"]
    assert [reason.startswith(start) for reason, start in zip(reasons, expected, strict=True)] == [True] * 6


def test_null_in_parquet_is_a_bad_row(score: Any, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"text": ["a", None, ""]}), tmp_path / "in.parquet")
    done = score(tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = parquet.read_table(tmp_path / "out.parquet")
    assert found.column("truncated").to_pylist() == [False, None, False]
    assert done.totals.problems == 1


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_a_row_that_the_model_refuses_is_listed_with_its_own_place(score: Any, tmp_path: Path, extension: str) -> None:
    """A second text that is as long as a window leaves no room for the first."""
    long = "w " * 600
    for name, second in (("a", "short"), ("b", long)):
        rows = [{"text": "first", "second": each} for each in ["short"] * 13 + [second]]
        path = tmp_path / f"in-{name}.{extension}"
        if extension == "parquet":
            arrow = pytest.importorskip("pyarrow")
            pytest.importorskip("pyarrow.parquet").write_table(arrow.Table.from_pylist(rows), path)
        else:
            path.write_text("text,second\n" + "".join(f"{row['text']},{row['second']}\n" for row in rows))
    wanted = Wanted(("text",), "second")
    done = score(tmp_path / "in-*", tmp_path / "out.csv", wanted=wanted, windows=Windows(combine="first"))
    [listed] = [json.loads(line) for line in done.errors.read_text(encoding="utf-8").splitlines()]
    lines = extension == "csv"
    assert (listed["row"], listed["file"]) == (28, str(tmp_path / f"in-b.{extension}"))
    assert (listed["line"], listed["content"]) == ((15, f"first,{long}"[:1000]) if lines else (None, ""))
    assert listed["reason"].startswith("the second text: every window holds it")


def test_strict_stops_at_the_first_bad_row(score: Any, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text\n1,fine\n2\n")
    with pytest.raises(BadRowError, match="line 3: expected 2 columns, got 1"):
        score(tmp_path / "in.csv", tmp_path / "out.csv", strict=True)


def test_a_changed_output_leaves_no_errors_of_before(score: Any, tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("id,text\n2\n")
    assert score(source, output).errors.exists()
    source.write_text("id,text\n2,fine\n")
    assert score(source, output, overwrite=True).errors is None
    assert not (tmp_path / "out.csv.errors.jsonl").exists()


def test_a_full_disk_is_a_clear_line(score: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchless.atomic_files import AtomicFile

    write, allowed = AtomicFile.write, [6]

    def full(self: AtomicFile, data: bytes) -> int:
        allowed[0] -= 1
        if allowed[0] < 0:
            raise OutputError(self._path, OSError(28, "No space left on device"))
        return write(self, data)

    monkeypatch.setattr(AtomicFile, "write", full)
    output = tmp_path / "out.csv"
    with pytest.raises(OutputError, match="No space left on device"):
        score(source, output)
    monkeypatch.undo()
    assert score(source, output).totals.rows == 45


def test_a_second_run_of_the_same_output_is_refused(score: Any, source: Path, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")

    def second(question: Question) -> Here:
        with pytest.raises(InputError, match="another process is at work"):
            score(source, tmp_path / "out.csv")
        return Here(question)

    score(source, tmp_path / "out.csv", second)


def test_an_empty_file_makes_an_empty_table(score: Any, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text\n")
    assert score(tmp_path / "in.csv", tmp_path / "out.csv").totals.rows == 0
    assert (tmp_path / "out.csv").read_text() == "id,text,label,score,truncated\n"
