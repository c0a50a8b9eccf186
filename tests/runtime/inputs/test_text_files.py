"""Rows of text files: plain lines, CSV, TSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from torchless.errors import InputError
from torchless.inputs.text_files import LABEL_COLUMNS, TEXT_COLUMNS, columns

Run = Callable[..., tuple[int, str, str]]


def rows(name: str, data: bytes, *wanted: tuple[str, ...]) -> list[tuple[str, ...]]:
    return list(columns(io.BytesIO(data), name, *(wanted or (TEXT_COLUMNS,))))


def test_csv_quotes_as_rfc_4180_has_it() -> None:
    data = b'"aaa","b \r\nbb","ccc"\r\nzzz,yyy,xxx\r\n"aaa","b""bb","c,cc"\r\n'  # the examples of its section 2
    assert rows("a.csv", b"text,b,c\r\n" + data, ("text",), ("b",), ("c",)) == [
        ("aaa", "b \r\nbb", "ccc"),
        ("zzz", "yyy", "xxx"),
        ("aaa", 'b"bb', "c,cc"),
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "A.JSONL"])
def test_json_lines_hold_texts_and_labels(name: str) -> None:
    data = b'{"sentence": "a\\n\\u00e9", "label": 1}\n  \n{"label": "x", "sentence": "", "text": "b"}\r\n'
    assert rows(name, data, TEXT_COLUMNS, LABEL_COLUMNS) == [("a\n\u00e9", "1"), ("b", "x")]  # `text` comes first


@pytest.mark.parametrize("name", ["a.txt", "a", "A.TXT", "dir.csv/a", ".a", "a."])
def test_a_file_without_extension_is_plain_lines(name: str) -> None:
    assert rows(name, b'text,label\n\n"a"\tb  \r\nlast') == [("text,label",), ("",), ('"a"\tb  ',), ("last",)]
    with pytest.raises(InputError, match=f"{name} has no columns; expected a .csv, .tsv, .jsonl or .json file"):
        rows(name, b"a\n", TEXT_COLUMNS, LABEL_COLUMNS)


@pytest.mark.parametrize("name", ["a.log", "a.csv.gz", "a.xlsx", "a.parquet", "reviews.2024"])
def test_an_extension_that_nobody_knows_is_refused(name: str) -> None:
    known = r"\.csv, \.tsv, \.jsonl, \.ndjson, \.json, \.txt or none"
    with pytest.raises(
        InputError, match=rf"{name}: expected one of the extensions {known}, got \.{name.split('.')[-1]}"
    ):
        rows(name, b"text\nx\n")


@pytest.mark.parametrize(
    ("text_format", "data"),
    [
        ("csv", b"text\nx\n"),
        ("tsv", b"text\nx\n"),
        ("jsonl", b'{"text": "x"}'),
        ("json", b'[{"text": "x"}]'),
        ("text", b"x"),
    ],
)
def test_a_format_counts_more_than_an_extension(text_format: str, data: bytes) -> None:
    assert list(columns(io.BytesIO(data), "a.xlsx", TEXT_COLUMNS, text_format=text_format)) == [("x",)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_gives_every_text_that_csv_wrote(end: str) -> None:
    texts = ['He said "no"', "first\r\n\r\nsecond\nthird", "tab\there", "", " , ", '"', "\n"]
    file = io.StringIO()
    csv.writer(file, lineterminator=end).writerows([["text"], *([text] for text in texts)])
    assert rows("a.csv", file.getvalue().encode()) == [(text,) for text in texts]


@pytest.mark.parametrize(
    ("name", "data"), [("a.txt", b"x\r\ny\r\n"), ("a.csv", b"text\r\nx\r\ny\r\n"), ("a.tsv", b"text\r\nx\r\ny\r\n")]
)
def test_a_mark_at_the_beginning_and_windows_line_ends_are_no_part_of_a_text(name: str, data: bytes) -> None:
    assert rows(name, b"\xef\xbb\xbf" + data) == [("x",), ("y",)]
    assert rows("a.txt", b"x\n\xef\xbb\xbfy\n") == [("x",), ("\ufeffy",)]  # only at the beginning


def test_a_json_file_may_begin_with_a_mark() -> None:
    assert rows("a.jsonl", b'\xef\xbb\xbf{"text": "x"}\n') == [("x",)]


def test_a_field_beyond_the_limit_of_csv_is_whole() -> None:
    long = "x" * 200_000  # Python's csv stops at 131,072
    assert rows("a.csv", f"text,b\n{long},1\n".encode()) == rows("a.tsv", f"text\tb\n{long}\t1\n".encode()) == [(long,)]


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv", "a.jsonl"])
def test_bytes_that_are_no_utf8_are_named_with_their_line(name: str) -> None:
    data = {"a.jsonl": b'{"text": "x"}\n{"text": "\xe9"}'}.get(name, b"text\nab\xe9c\n")
    place = data.splitlines()[1].index(b"\xe9")
    with pytest.raises(InputError, match=rf"{name}, line 2: not UTF-8 \(byte 0xe9 at offset {place}\)"):
        rows(name, data)


def test_a_line_is_counted_in_the_file_and_not_in_rows() -> None:
    with pytest.raises(InputError, match=r"a\.csv, line 5: expected 1 columns, got 2"):
        rows("a.csv", b'text\n"two\nlines"\n\na,b\n')


@pytest.mark.parametrize(
    ("name", "data", "got"),
    [("a.csv", b"id,label\n1,2\n", "id, label"), ("a.tsv", b"id\n", "id"), ("a.jsonl", b'{"id": 1}', "id")],
)
def test_a_column_that_is_missing_is_named_beside_those_that_are_there(name: str, data: bytes, got: str) -> None:
    with pytest.raises(InputError, match=rf"{name}.*: expected a column text or sentence, got {got}\."):
        rows(name, data)


def test_rows_come_one_by_one() -> None:
    def endless() -> Iterator[bytes]:
        yield b"text\n"
        while True:
            yield b"again\n"

    assert list(islice(columns(endless(), "a.csv", TEXT_COLUMNS), 3)) == [("again",)] * 3


def test_a_file_that_fails_while_it_is_read_is_named() -> None:
    def failing() -> Iterator[bytes]:
        yield b"a\n"
        raise OSError(5, "Input/output error")

    with pytest.raises(InputError, match=r"a\.txt: Input/output error"):
        list(columns(failing(), "a.txt", TEXT_COLUMNS))


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


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_column_that_is_there_twice_is_refused_where_it_is_wanted(name: str) -> None:
    data = "text,b,text,c,c\n1,2,3,4,5\n".replace(",", "," if name == "a.csv" else "\t").encode()
    with pytest.raises(InputError, match=f"{name}: expected one column text, got 2"):
        rows(name, data)
    assert rows(name, data, ("b",)) == [("2",)]


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl"])
def test_a_line_that_does_not_end_is_refused_before_it_takes_all_memory(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchless.inputs.lines.LONGEST_BYTES", 1000)
    file = io.BytesIO(b'{"text": "' + b"x" * 5000)
    with pytest.raises(InputError, match=f"{name}, line 1: expected lines of text, got one of more than 1000 bytes"):
        list(columns(file, name, TEXT_COLUMNS))
    assert file.tell() <= 1001
