"""Columns that stand in the names of folders."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from torchless.errors import InferenceError, InputError

FOLDERS = ["date=2024-01-01/lang=de%2FAT", "date=2024-01-02/lang=__HIVE_DEFAULT_PARTITION__"]


def files(folder: Path, extension: str, names: list[str] = FOLDERS) -> None:
    for number, name in enumerate(names):
        path = folder / name / f"part-0.{extension}"
        path.parent.mkdir(parents=True)
        rows = [{"id": str(number), "text": f"text {row}"} for row in range(25)]
        if extension == "parquet":
            arrow = pytest.importorskip("pyarrow")
            pytest.importorskip("pyarrow.parquet").write_table(arrow.Table.from_pylist(rows), path)
        elif extension == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            path.write_text("id,text\n" + "".join(f"{row['id']},{row['text']}\n" for row in rows))


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        found: list[dict[str, Any]] = pytest.importorskip("pyarrow.parquet").ParquetFile(path).read().to_pylist()
        return found
    with path.open(newline="") as file:
        return list(csv.DictReader(file)) if path.suffix == ".csv" else [json.loads(line) for line in file]


@pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("output", ["out.csv", "out.jsonl", "out.parquet"])
@pytest.mark.parametrize("pattern", ["", "date=*/*/*"])
def test_the_names_of_folders_are_columns(
    score: Any, tmp_path: Path, extension: str, output: str, pattern: str
) -> None:
    if output.endswith("parquet"):
        pytest.importorskip("pyarrow")
    files(tmp_path / "year=1999", extension)
    score(tmp_path / "year=1999" / pattern, tmp_path / output)
    rows = read(tmp_path / output)
    assert list(rows[0]) == ["id", "text", "date", "lang", "label", "score", "truncated"]
    null = "" if output.endswith("csv") else None
    expected = [("0", "2024-01-01", "de/AT")] * 25 + [("1", "2024-01-02", null)] * 25
    assert [(row["id"], row["date"], row["lang"]) for row in rows] == expected


def test_columns_that_the_files_hold_are_theirs(score: Any, tmp_path: Path) -> None:
    files(tmp_path / "in", "csv", ["id=5", "id=6"])
    score(tmp_path / "in", tmp_path / "out.csv")
    assert [row["id"] for row in read(tmp_path / "out.csv")] == ["0"] * 25 + ["1"] * 25


@pytest.mark.parametrize("names", [["date=1", "day=2"], ["date=1", "b"]])
def test_names_that_make_no_table_are_names_alone(score: Any, tmp_path: Path, names: list[str]) -> None:
    files(tmp_path / "in", "csv", names)
    score(tmp_path / "in", tmp_path / "out.csv")
    assert list(read(tmp_path / "out.csv")[0]) == ["id", "text", "label", "score", "truncated"]


def test_a_folder_s_column_with_the_name_of_a_new_one_is_refused(score: Any, tmp_path: Path) -> None:
    files(tmp_path / "in", "csv", ["label=1"])
    with pytest.raises(InputError, match="a column label already"):
        score(tmp_path / "in", tmp_path / "out.csv")


def test_another_name_of_a_folder_is_refused_until_restart(failing: Any, score: Any, tmp_path: Path) -> None:
    files(tmp_path / "in", "csv")
    with pytest.raises(InferenceError):
        score(tmp_path / "in", tmp_path / "out.csv", failing)
    (tmp_path / "in" / "date=2024-01-01").rename(tmp_path / "in" / "date=2023-01-01")
    with pytest.raises(InputError, match="unfinished run with another name of a folder"):
        score(tmp_path / "in", tmp_path / "out.csv")
