"""Rows that are too long to be held: each is one row without an answer, and the others are answered."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MOST = 1 << 13


@pytest.fixture(autouse=True)
def short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of 8 KiB are too long, so that no test writes files of megabytes."""
    monkeypatch.setattr("torchless.bulk.line_rows.MOST_BYTES", MOST)


def listed(done: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.errors.read_text(encoding="utf-8").splitlines()]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["in.csv", "in.tsv", "in.jsonl", "in.txt"])
@pytest.mark.parametrize("last", [False, True])
def test_a_line_that_is_too_long_is_a_row_of_its_own(score: Any, tmp_path: Path, name: str, last: bool) -> None:
    write: Callable[[str], str] = {
        "in.csv": lambda text: f"1,{text}",
        "in.tsv": lambda text: f"1\t{text}",
        "in.jsonl": lambda text: json.dumps({"text": text}),
    }.get(name, str)
    head = {"in.csv": ["id,text"], "in.tsv": ["id\ttext"]}.get(name, [])
    lines = [*head, write("fine"), write("x" * MOST), *([] if last else [write("good"), write("better")])]
    (tmp_path / name).write_text("\n".join(lines) + ("" if last else "\n"))
    done = score(tmp_path / name, tmp_path / "out.csv")
    [problem] = listed(done)
    assert (problem["row"], problem["line"]) == (2, len(head) + 2)
    assert "a line of more than 8,192 bytes, which begins with" in problem["reason"]
    rows = table(tmp_path / "out.csv")
    assert [bool(row["label"]) for row in rows] == [True, False, *([] if last else [True, True])]


def many(lines: int) -> str:
    return "".join(f"line {line} of a very long text\n" for line in range(lines))


@pytest.mark.parametrize("compression", ["", ".gz"])
@pytest.mark.parametrize(
    "end", ['said ""so"" in the end",1\n', 'the end","and\nmore"\n', '"\n', f'{"y" * MOST}\n","\n"\n']
)
def test_a_quoted_field_that_is_too_long_is_one_row(score: Any, tmp_path: Path, end: str, compression: str) -> None:
    source = tmp_path / f"in.csv{compression}"
    content = f'text,more\nfine,1\n"{many(500)}{end}good,1\n"bet\nter",2\n'
    packed(source, content)
    done = score(source, tmp_path / "out.csv")
    [problem] = listed(done)
    assert (problem["row"], problem["line"]) == (2, 2 + (many(500) + end).count("\n"))
    assert problem["reason"] == "a row of more than 8,192 bytes"
    assert problem["content"].startswith('"line 0 of a very long text')
    rows = table(tmp_path / "out.csv")
    assert [(row["text"], bool(row["label"])) for row in rows] == [
        ("fine", True),
        ("\ufffd", False),
        ("good", True),
        ("bet\nter", True),
    ]


@pytest.mark.parametrize("compression", ["", ".gz", ".zst"])
@pytest.mark.parametrize("end", ["", '"quoted"\n', '""\n', '"x\n'])
def test_a_quote_that_nothing_closes_takes_its_own_row_alone(
    score: Any, tmp_path: Path, end: str, compression: str
) -> None:
    source = tmp_path / f"in.csv{compression}"
    packed(source, f'text,more\n"open,1\n{many(500).replace(" of", ",of")}good,{end}')
    done = score(source, tmp_path / "out.csv")
    problems = listed(done)
    assert done.totals.rows == 502
    assert [(each["row"], each["line"]) for each in problems] == [(1, 2)] + [(502, 503)] * (end == '"x\n')
    assert {each["reason"] for each in problems} <= {"a quote that nothing closes", "not CSV (',' expected after '\"')"}


def test_a_stray_quote_takes_no_rows_though_a_later_one_could_close_it(score: Any, tmp_path: Path) -> None:
    rows = "".join(f"{row},a text without quotes\n" for row in range(2000))
    (tmp_path / "in.csv").write_text(f'id,text\n0,"6 inch\n{rows}7,12"\n8,good\n')
    done = score(tmp_path / "in.csv", tmp_path / "out.csv")
    assert done.totals.rows == 2003
    assert [each["row"] for each in listed(done)] == [1]


def packed(path: Path, content: str) -> None:
    data = content.encode()
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        data = pytest.importorskip("pyarrow").compress(data, "zstd", asbytes=True)
    path.write_bytes(data)
