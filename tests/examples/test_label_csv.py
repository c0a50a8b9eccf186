"""examples/label_csv.py, as people run it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "label_csv.py"


def test_it_adds_labels_and_keeps_the_rows(run: Callable[..., Any], tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text('\ufeffid,text\n1,"What a delight, really"\n2,"I hate\nthis"\n3,\n', encoding="utf-8")
    done = run(SCRIPT, source, target)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"3 rows written to {target}\n"
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert [row["label"] for row in rows[:2]] == ["POSITIVE", "NEGATIVE"]
    assert rows[1]["text"] == "I hate\nthis"
    assert {row["truncated"] for row in rows} == {"False"}
    assert all(0.5 <= float(row["score"]) <= 1 for row in rows)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,sentence\n1,good\n", "has no column 'text', it has: id, sentence"),
        ("text\n\xff\n", "can't decode byte"),
        ('text\n"good" bad\n', "expected after '\"'"),
        ("text,id\ngood\n", "line 2: expected 2 values"),
    ],
)
def test_a_file_it_cannot_read_leaves_the_target_alone(
    content: str, said: str, run: Callable[..., Any], tmp_path: Path
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(content, encoding="latin-1")
    target.write_text("older", encoding="utf-8")
    done = run(SCRIPT, source, target)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert target.read_text(encoding="utf-8") == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_a_missing_file_or_model_is_one_line(run: Callable[..., Any], tmp_path: Path) -> None:
    for arguments in (
        [tmp_path / "none.csv", tmp_path / "out.csv"],
        [SCRIPT, tmp_path / "out.csv", "--model", "./none"],
    ):
        done = run(SCRIPT, *arguments)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1


def test_its_memory_does_not_grow_with_the_file(run: Callable[..., Any], tmp_path: Path) -> None:
    code = f"""
import resource, runpy, sys
sys.argv = ["label_csv.py", *sys.argv[1:]]
try: runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = []
    for rows in (4_100, 11_100):  # two of the script's portions, and five
        source = tmp_path / f"{rows}.csv"
        with source.open("w", encoding="utf-8") as file:
            file.write("text,other\n")
            file.writelines(f"good,{'x' * 12_000}\n" for _ in range(rows))  # 80 MB more in the longer file
        done = run("-c", code, source, tmp_path / "out.csv")
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout) / 1024)  # KiB on Linux
    assert peaks[1] - peaks[0] < 30
