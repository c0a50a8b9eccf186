"""Every format keeps its other columns exactly."""

from __future__ import annotations

import csv
import datetime
import decimal
import errno
import gzip
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from torchless.bulk.input_files import find
from torchless.bulk.job import source_of
from torchless.bulk.json_values import readable
from torchless.bulk.rows import Wanted
from torchless.errors import InputError

ROWS = 25
TEXTS = ["What a delight \U0001f600", "two\nlines", "", "שלום", "e\u0301  double  blanks", '日本語, "quoted"\ttab']


def text(row: int) -> str:
    return TEXTS[row % len(TEXTS)] + (str(row) if row % 3 else "")


def table_rows(data: bytes, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def without_answers(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("label", "score", "truncated")}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_keeps_every_byte_of_its_rows(score: Any, tmp_path: Path, mark: str, end: str) -> None:
    rows = [[str(row), text(row), 'say "so", twice', ""] for row in range(ROWS)]
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator=end).writerows([["id", "text", "said", "empty"], *rows])
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes((mark + written.getvalue()).encode())
    done = score(source, output)
    assert (done.totals.rows, done.totals.problems, sum(done.totals.counts.values())) == (ROWS, 0, ROWS)
    data = output.read_bytes()
    assert data.startswith((mark + "id,text,said,empty,label,score,truncated" + end).encode())
    assert [without_answers(row) for row in table_rows(data)] == table_rows(source.read_bytes())
    assert not any(path.name.startswith(("out.csv.", ".")) for path in tmp_path.iterdir())


def test_tsv_without_quotes_keeps_lone_quotes(score: Any, tmp_path: Path) -> None:
    source, output = tmp_path / "in.tsv", tmp_path / "out.tsv"
    source.write_text('id\tsentence\n1\t"lone\n2\tmid"dle\n3\t"taken out"\n', encoding="utf-8")
    score(source, output)
    lines = output.read_text(encoding="utf-8").splitlines()
    assert [line.rsplit("\t", 3)[0] for line in lines] == source.read_text(encoding="utf-8").splitlines()


def test_json_lines_keep_their_numbers_and_escapes(score: Any, tmp_path: Path) -> None:
    lines = [
        '{"text": "a\\u00e9", "n": 1.10, "big": 123456789012345678901234567890, "deep": [{"x": null}]}',
        '{"text": ""}',
    ]
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n\n".join(lines), encoding="utf-8")
    score(source, output)
    found = output.read_text(encoding="utf-8").splitlines()
    assert all(one.startswith(other[:-1]) for one, other in zip(found, lines, strict=True))
    assert set(json.loads(found[1])) == {"text", "label", "score", "truncated"}


@pytest.mark.parametrize("output", ["out.csv.gz", "out.jsonl.gz", "out.tsv.gz"])
def test_compressed_files_are_read_and_written(score: Any, tmp_path: Path, output: str) -> None:
    source = tmp_path / "in.txt.gz"
    source.write_bytes(gzip.compress(b"one\ntwo\n\n"))
    done = score(source, tmp_path / output)
    assert done.totals.rows == 3
    plain = gzip.decompress((tmp_path / output).read_bytes()).decode()
    assert [word in plain for word in ("one", "two", "label")] == [True] * 3


def everything(arrow: Any) -> Any:
    """A table with every kind of column."""
    rows = range(ROWS)
    moments = [datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=row) for row in rows]
    deep = arrow.list_(arrow.struct([("x", arrow.list_(arrow.int32())), ("y", arrow.string())]))
    table = arrow.table(
        {
            "id": arrow.array(rows, arrow.uint16()),
            "text": arrow.array([text(row) for row in rows]),
            "null": arrow.array([None if row % 3 else row for row in rows], arrow.int64()),
            "zoned": arrow.array(moments, arrow.timestamp("us", tz="Europe/Berlin")),
            "nanoseconds": arrow.array([row * 1_000_001 for row in rows], arrow.timestamp("ns")),
            "decimal": arrow.array([decimal.Decimal(row) / 100 for row in rows], arrow.decimal128(12, 2)),
            "kind": arrow.array([["a", "b", None][row % 3] for row in rows]).dictionary_encode(),
            "deep": arrow.array([[{"x": [row, None], "y": "ü\n"}] if row % 5 else None for row in rows], deep),
            "bytes": arrow.array([bytes([row, 0]) for row in rows]),
            "float": arrow.array([row / 3 for row in rows]),
            "flag": arrow.array([row % 2 == 0 for row in rows]),
            "date": arrow.array([datetime.date(2020, 1, 1)] * ROWS),
        }
    )
    return table.replace_schema_metadata({"made": "here"})


def written(arrow: Any, path: Path, table: Any) -> None:
    if path.suffix == ".parquet":
        arrow.parquet.write_table(table, path, row_group_size=7)
        return
    kind = arrow.ipc.new_stream if path.stem == "stream" else arrow.ipc.new_file
    with kind(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)


def read(arrow: Any, path: Path) -> Any:
    return arrow.parquet.read_table(path) if path.suffix == ".parquet" else arrow.ipc.open_file(path).read_all()


@pytest.mark.parametrize("source", ["in.parquet", "in.arrow", "in.feather", "stream.arrow"])
@pytest.mark.parametrize("output", ["out.parquet", "out.arrow", "out.feather"])
def test_arrow_files_keep_their_types(score: Any, tmp_path: Path, source: str, output: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    table = everything(arrow)
    written(arrow, tmp_path / source, table)
    written(arrow, tmp_path / "as.parquet", table)
    through_parquet = "parquet" in source + output  # which renames the items of lists
    expected = arrow.parquet.read_table(tmp_path / "as.parquet") if through_parquet else table
    score(tmp_path / source, tmp_path / output)
    found = read(arrow, tmp_path / output)
    assert found.column_names == [*table.column_names, "label", "score", "truncated"]
    kept = found.select(table.column_names)
    assert kept.schema.equals(expected.schema, check_metadata=True)
    for one, other in zip(kept.columns, expected.columns, strict=True):
        assert readable(arrow, one).to_pylist() == readable(arrow, other).to_pylist()
    assert found.schema.field("score").type == arrow.float32()


def test_a_compressed_table_is_read_from_a_folder_that_may_only_be_read(
    score: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    written(arrow, tmp_path / "in.parquet", arrow.table({"text": ["one", "two"]}))
    (tmp_path / "in.parquet.gz").write_bytes(gzip.compress((tmp_path / "in.parquet").read_bytes()))
    temporary_file = tempfile.TemporaryFile

    def refuse(dir: Path | None = None) -> Any:  # noqa: A002  # tempfile's own name
        if dir is not None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return temporary_file()

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    score(tmp_path / "in.parquet.gz", tmp_path / "out.parquet")
    assert read(arrow, tmp_path / "out.parquet")["text"].to_pylist() == ["one", "two"]


@pytest.mark.parametrize("output", ["out.csv", "out.tsv", "out.jsonl"])
def test_arrow_columns_become_text(score: Any, tmp_path: Path, output: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    written(arrow, tmp_path / "in.parquet", everything(arrow))
    score(tmp_path / "in.parquet", tmp_path / output)
    data = (tmp_path / output).read_bytes()
    rows = [json.loads(line) for line in data.splitlines()] if output.endswith("jsonl") else None
    rows = rows or table_rows(data, "\t" if output.endswith("tsv") else ",")
    assert [row["text"] for row in rows] == [text(row) for row in range(ROWS)]
    assert rows[1]["zoned"].startswith("2020-01-01 01:00:01")
    assert rows[1]["nanoseconds"] == "1970-01-01 00:00:00.001000001"
    deep = rows[1]["deep"] if output.endswith("jsonl") else json.loads(rows[1]["deep"])
    assert deep == [{"x": [1, None], "y": "ü\n"}]


@pytest.mark.parametrize("output", ["out.parquet", "out.arrow", "out.csv"])
def test_json_lines_find_their_columns_in_all_rows(score: Any, tmp_path: Path, output: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    objects = [{"text": str(row), "n": row} | ({"late": [row + 0.5]} if row > 15 else {}) for row in range(ROWS)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in objects))
    score(tmp_path / "in.jsonl", tmp_path / output)
    if output.endswith("csv"):
        rows = table_rows((tmp_path / output).read_bytes())
        assert (rows[0]["late"], rows[20]["late"]) == ("", "[20.5]")
        return
    found = read(arrow, tmp_path / output)
    assert str(found.schema.field("late").type).startswith("list<")
    assert found.column("n").to_pylist() == list(range(ROWS))


def test_json_values_without_a_common_type_are_refused(score: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "in.jsonl").write_text('{"text": "a", "x": 1}\n{"text": "b", "x": "one"}\n')
    with pytest.raises(InputError, match="the values of x have no common type"):
        score(tmp_path / "in.jsonl", tmp_path / "out.parquet")
    score(tmp_path / "in.jsonl", tmp_path / "out.jsonl")


def test_a_folder_is_read_in_the_order_of_its_names(score: Any, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "b").mkdir(parents=True)
    for name, row in (("b/2.csv", "c"), ("a.csv", "a"), ("b/1.csv", "b")):
        (folder / name).write_text(f"text\n{row}\n")
    (folder / "_SUCCESS").write_text("")
    score(folder, tmp_path / "out.csv")
    assert [row["text"] for row in table_rows((tmp_path / "out.csv").read_bytes())] == ["a", "b", "c"]
    score(folder / "b" / "*.csv", tmp_path / "two.csv")
    assert [row["text"] for row in table_rows((tmp_path / "two.csv").read_bytes())] == ["b", "c"]


def test_stdin_may_be_compressed(score: Any, tmp_path: Path) -> None:
    stream = io.BytesIO(gzip.compress(b"text\none\ntwo\n"))
    score("-", tmp_path / "out.csv", input_format="csv", stdin=stream)
    assert [row["text"] for row in table_rows((tmp_path / "out.csv").read_bytes())] == ["one", "two"]


@pytest.mark.parametrize("extension", ["csv", "tsv", "jsonl"])
def test_a_string_that_is_not_utf_8_stops_no_run(score: Any, tmp_path: Path, extension: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    bad = arrow.array([b"ok", b"\xe9t\xe9", None], arrow.binary()).view(arrow.string())
    nested = arrow.StructArray.from_arrays([arrow.ListArray.from_arrays([0, 1, 2, 3], bad)], ["names"])
    table = arrow.table({"text": arrow.array(["a", "b", "c"]), "note": bad, "deep": nested})
    parquet.write_table(table, tmp_path / "in.parquet")
    output = tmp_path / f"out.{extension}"
    assert score(tmp_path / "in.parquet", output).totals.problems == 0
    written = output.read_text(encoding="utf-8")
    assert written.count("\ufffdt\ufffd") == 2
    table = arrow.table({"text": bad})
    parquet.write_table(table, tmp_path / "bad.parquet")
    assert score(tmp_path / "bad.parquet", tmp_path / f"bad.{extension}").totals.problems == 2


def test_an_array_on_one_long_line_is_read(score: Any, tmp_path: Path) -> None:
    rows = [{"text": f"text {row}", "filler": "x" * 100_000} for row in range(100)]
    (tmp_path / "in.json").write_text(json.dumps(rows))
    assert score(tmp_path / "in.json", tmp_path / "out.csv").totals.rows == 100


@pytest.mark.parametrize("name", ["in.jsonl", "in.json"])
@pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet", "arrow"])
def test_json_that_is_nested_too_deep_has_no_answer(score: Any, tmp_path: Path, name: str, extension: str) -> None:
    if extension in ("parquet", "arrow"):
        pytest.importorskip("pyarrow")
    deep = '{"text": "a", "x": ' + "[" * 700 + "]" * 700 + "}"
    lines = ['{"text": "a", "x": ' + "[" * 58 + "1" + "]" * 58 + "}", deep]
    (tmp_path / name).write_text("\n".join(lines) if name.endswith("l") else f"[{','.join(lines)}]")
    done = score(tmp_path / name, tmp_path / f"out.{extension}")
    assert (done.totals.rows, done.totals.problems) == (2, 1)
    assert done.errors is not None
    assert "more than 60 objects and arrays inside one another" in done.errors.read_text()


@pytest.mark.parametrize("dictionary", [True, False])
def test_wide_rows_are_read_few_at_a_time(tmp_path: Path, dictionary: bool) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    images = arrow.array([bytes([row % 2]) * 1_000_000 for row in range(64)])
    table = arrow.table({"text": arrow.array(["a"] * 64), "image": images})
    parquet.write_table(table, tmp_path / "in.parquet", use_dictionary=dictionary)
    files = find(str(tmp_path / "in.parquet"), None)
    blocks = list(source_of(files, Wanted(("text",))).blocks(0))
    assert sum(len(block.texts) for block in blocks) == 64
    assert max(len(block.texts) for block in blocks) <= 17
