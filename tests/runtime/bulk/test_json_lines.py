"""Objects that differ from the first one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from torchless.errors import InputError


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("in.jsonl", '{}\n{"text": "a"}\n{"text": "b"}\n'),
        ("in.json", '{}\n{"text": "a"}\n'),
        ("in.json", '[{}, {"text": "a"}]'),
    ],
)
def test_a_first_object_without_keys_is_refused_as_one_without_the_column(
    score: Any, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match="expected a column text or sentence, got none"):
        score(tmp_path / name, tmp_path / "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_later_object_without_keys_is_a_row_without_an_answer(score: Any, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n{}\n{"text": "b", "n": 1.10}\n')
    assert score(tmp_path / "in.jsonl", tmp_path / "out.jsonl").totals.problems == 1
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["label"] is None for line in lines] == [False, True, False]
    assert lines[2].startswith('{"text": "b", "n": 1.10, "label"')


@pytest.mark.parametrize(
    ("name", "content"), [("in.jsonl", ""), ("in.jsonl", "\n\n"), ("in.json", ""), ("in.json", "[]")]
)
def test_no_object_at_all_is_an_empty_table(score: Any, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert score(tmp_path / name, tmp_path / "out.jsonl").totals.rows == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


@pytest.mark.parametrize("name", ["in.csv", "in.tsv"])
def test_a_table_without_a_header_is_refused(score: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="expected a column text or sentence, got"):
        score(tmp_path / name, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("output", ["out.jsonl", "out.jsonl.gz", "out.csv", "out.parquet"])
@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("in.jsonl", '{"text": "a"}\n\n{"text": "b", "label": "GOLD", "score": 5}\n', "line 3"),
        ("in.json", '[{"text": "a"}, {"text": "b", "score": 5}]', "row 2"),
        ("in.jsonl", '{"text": "a"}\n{"text": null, "lab\\u0065l": 1}\n', "line 2"),
    ],
)
def test_a_key_of_a_new_column_is_refused_in_any_object(
    score: Any, tmp_path: Path, name: str, content: str, place: str, output: str
) -> None:
    if output.endswith("parquet"):
        pytest.importorskip("pyarrow.parquet")
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=f"{name}, {place} has a column (label|score) already.*--prefix"):
        score(tmp_path / name, tmp_path / output)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    score(tmp_path / name, tmp_path / output, prefix="my_")
    if output == "out.jsonl":
        assert set(json.loads((tmp_path / output).read_text().splitlines()[1])) >= {"text", "my_label"}


def test_a_key_of_a_new_column_is_refused_in_any_file(score: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "in" / "2.jsonl.gz").write_bytes(gzip.compress(b'{"text": "b", "truncated": 1}\n'))
    with pytest.raises(InputError, match=r"2\.jsonl\.gz, line 1 has a column truncated already"):
        score(tmp_path / "in", tmp_path / "out.jsonl")


def test_keys_that_are_values_need_no_columns(score: Any, tmp_path: Path) -> None:
    """An object of JSON lines may have any keys; a table has a column for each."""
    rows = [{"text": "a", **{f"key {row} {place}": place for place in range(101)}} for row in range(100)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert score(tmp_path / "in.jsonl", tmp_path / "out.jsonl").totals.problems == 0
    for extension in ("csv", "parquet"):
        if extension == "parquet":
            pytest.importorskip("pyarrow")
        with pytest.raises(InputError, match="more than 10,000 different keys"):
            score(tmp_path / "in.jsonl", tmp_path / f"out.{extension}")
