"""Rows of text files: plain lines, CSV, TSV and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("texts.txt", "good\nbad, very bad\n"),
        ("texts.csv", 'id,text\r\n1,good\r\n2,"bad, very bad"\r\n'),
        ("texts.tsv", "sentence\tlabel\ngood\t1\nbad, very bad\t0\n"),
        ("texts.jsonl", '{"text": "good"}\n\n{"id": 2, "text": "bad, very bad"}\n'),
        ("blank.csv", 'text\n\ngood\n\n"bad, very bad"\n\n'),
        ("blank.tsv", "text\tlabel\n\ngood\t1\nbad, very bad\t0\n\n"),
        ("bom.csv", '\ufefftext\ngood\n"bad, very bad"\n'),
    ],
)
def test_every_kind_of_file_gives_its_texts(tiny: Path, tmp_path: Path, run: Run, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    code, out, _ = run("predict", tiny, "--input", tmp_path / name, "--json")
    assert code == 0
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["good", "bad, very bad"]


def test_a_long_field_is_no_error(tiny: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "long.csv").write_text("text\n" + "good " * 40_000 + "\n")
    code, out, _ = run("predict", tiny, "--input", tmp_path / "long.csv", "--json")
    assert code == 0
    assert json.loads(out)["truncated"]


def test_a_column_is_taken_by_name(tiny: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "reviews.csv").write_text("text,body\nno,yes\n")
    _, out, _ = run("predict", tiny, "--input", tmp_path / "reviews.csv", "--column", "body", "--json")
    assert json.loads(out)["text"] == "yes"


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", "id,body\n1,x\n", "a.csv: expected a column text or sentence, got id, body"),
        ("a.csv", "id,text\n1\n", "a.csv, line 2: expected 2 columns, got 1"),
        ("a.csv", "text,label\nI love it, really,1\n", "a.csv, line 2: expected 2 columns, got 3"),
        ("a.tsv", "text\tlabel\ngood\t1\t2\n", "a.tsv, line 2: expected 2 columns, got 3"),
        ("a.jsonl", '{"text": "x"}\n{"text": "ab\\ud800"}', "a.jsonl, line 2: lone surrogate U+D800 at character 2"),
        ("a.jsonl", '{"text": ' + "[" * 100_000, "a.jsonl, line 1: not JSON"),
        ("a.csv", 'text\n"never closed\n', "a.csv, line 2: unexpected end of data"),
        ("a.jsonl", "{}\n", "a.jsonl, line 1: expected a column text or sentence, got none"),
        ("a.jsonl", '{"text": "x"}\n{"text"', "a.jsonl, line 2: not JSON"),
        ("a.jsonl", '{"text": 7}', "a.jsonl, line 1, text: expected a string, got int"),
        ("a.jsonl", "[]", "a.jsonl, line 1: expected an object, got list"),
        ("a.csv", "", "a.csv: expected a column text or sentence, got none"),
    ],
)
def test_a_bad_file_is_named_with_its_line(
    tiny: Path, tmp_path: Path, run: Run, name: str, content: str, complaint: str
) -> None:
    (tmp_path / name).write_text(content)
    code, _, err = run("predict", tiny, "--input", tmp_path / name)
    assert code == 2
    assert complaint in err
