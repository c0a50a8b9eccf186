"""Tables on the command line: what is written, what is said, and what stays as it was."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text("id,text\n1,good\n2,\n", encoding="utf-8")
    return path


def test_predict_writes_whole_rows_and_a_summary(tiny: Path, source: Path, tmp_path: Path, run: Run) -> None:
    output = tmp_path / "out.jsonl"
    code, out, err = run("predict", tiny, "--input", source, "--output", output)
    assert (code, out) == (0, "")
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [list(row) for row in rows] == [["id", "text", "label", "score", "truncated"]] * 2
    assert f"{output}: 2 rows in " in err
    assert "0 truncated; 0 errors" in err


def test_all_scores_and_windows_are_columns(tiny: Path, source: Path, tmp_path: Path, run: Run) -> None:
    run("predict", tiny, "--input", source, "--output", tmp_path / "out.jsonl", "--top-k", "all", "--window", "8")
    row = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert len(row["labels"]) == 3
    assert row["windows"] == 1


def test_a_threshold_by_label_is_one(tiny: Path, source: Path, tmp_path: Path, run: Run) -> None:
    output = tmp_path / "out.jsonl"
    code, _, err = run("predict", tiny, "--input", source, "--output", output, "--threshold", "0.99")
    assert code == 0, err
    assert json.loads(output.read_text().splitlines()[0])["labels"] == []


def test_embed_writes_vectors(tiny: Path, source: Path, tmp_path: Path, run: Run) -> None:
    output = tmp_path / "out.jsonl"
    code, _, err = run("embed", tiny, "--input", source, "--output", output, "--prefix", "my_")
    assert code == 0, err
    row = json.loads(output.read_text().splitlines()[1])
    assert len(row["my_embedding"]) == 32
    assert row["my_truncated"] is False


def test_bad_rows_are_exit_code_3_and_strict_1(tiny: Path, source: Path, tmp_path: Path, run: Run) -> None:
    source.write_text("id,text\n1\n")
    code, _, err = run("predict", tiny, "--input", source, "--output", tmp_path / "out.csv")
    assert code == 3
    assert "1 errors, listed in" in err
    code, _, err = run("predict", tiny, "--input", source, "--output", tmp_path / "two.csv", "--strict")
    assert code == 1
    assert "in.csv, line 2: expected 2 columns, got 1" in err


def test_an_input_that_ends_early_is_exit_code_1_and_one_that_cannot_be_read_2(
    tiny: Path, tmp_path: Path, run: Run
) -> None:
    rows = "".join(f"{row},text {row * 7919}\n" for row in range(20_000))
    packed = gzip.compress(f"id,text\n{rows}".encode())
    for name, data, expected in (("early.csv.gz", packed[:-2000], 1), ("no.csv.gz", b"id,text\n1,good\n", 2)):
        (tmp_path / name).write_bytes(data)
        code, _, err = run("predict", tiny, "--input", tmp_path / name, "--output", tmp_path / "out.csv")
        assert (code, f"{name}: cannot be read (gzip)" in err) == (expected, True)
    assert (
        "rows are finished and kept in"
        in run("predict", tiny, "--input", tmp_path / "early.csv.gz", "--output", tmp_path / "out.csv")[2]
    )


def test_an_output_that_exists_needs_overwrite(tiny: Path, source: Path, tmp_path: Path, run: Run) -> None:
    output = tmp_path / "out.csv"
    output.write_text("kept")
    code, _, err = run("predict", tiny, "--input", source, "--output", output)
    assert code == 2
    assert "Replace it with --overwrite" in err
    assert output.read_text() == "kept"
    assert run("predict", tiny, "--input", source, "--output", output, "--overwrite")[0] == 0


def test_with_json_the_output_is_what_it_was(tiny: Path, source: Path, tmp_path: Path, run: Run) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text("replaced")
    assert run("predict", tiny, "--input", source, "--output", output, "--json")[0] == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [list(row) for row in rows] == [["text", "label", "score", "truncated"]] * 2


def test_without_a_table_its_options_are_wrong_usage(tiny: Path, source: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["predict", str(tiny), "--input", str(source), "--strict"])
    assert "--strict: expected with --input FILE and --output TABLE" in capsys.readouterr().err


def test_compressed_files_and_folders_are_read_without_a_table_too(tiny: Path, source: Path, run: Run) -> None:
    code, out, _ = run("predict", tiny, "--input", source.parent, "--json")
    assert code == 0
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["good", ""]


def test_ray_that_is_not_installed_names_the_extra(
    tiny: Path, source: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    code, _, err = run("predict", tiny, "--input", source, "--output", tmp_path / "out.csv", "--ray", "local")
    assert code == 1
    assert "--ray needs ray: pip install 'torchless[ray]'" in err


def test_a_wanted_column_that_is_there_twice_is_refused(tiny: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "in.csv").write_text("text,text\ngood,bad\n", encoding="utf-8")
    code, _, err = run("predict", tiny, "--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv")
    assert code == 2
    assert "expected one column text, got 2" in err


def test_a_second_text_that_is_no_utf_8_is_refused_before_any_row(
    tiny: Path, source: Path, tmp_path: Path, run: Run
) -> None:
    code, _, err = run("predict", tiny, "--input", source, "--pair", "\udc80", "--output", tmp_path / "out.csv")
    assert code == 2
    assert "--pair" in err
    assert not (tmp_path / "out.csv").exists()
