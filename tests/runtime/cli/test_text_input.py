"""Where the command line's texts come from."""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from torchless import Classifier, Encoder, TextPair, Windows
from torchless.cli.text_input import CHUNK_CHARACTERS, CHUNK_TEXTS, add_arguments, add_window_arguments, read, windows

Run = Callable[..., tuple[int, str, str]]
Program = Callable[..., subprocess.CompletedProcess[bytes]]


def test_predict_reads_lines_from_stdin(mini: Path, run: Run, stdin: Callable[[bytes], None]) -> None:
    stdin(b"what a delight\r\n\nnever again\n")
    code, out, _ = run("predict", mini, "-", "--json")
    assert code == 0
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["what a delight", "", "never again"]


def test_invalid_utf8_on_stdin_names_line_and_byte(mini: Path, run: Run, stdin: Callable[[bytes], None]) -> None:
    stdin(b"fine\nbr\xff ken\n")
    code, out, err = run("predict", mini, "-")
    assert (code, out) == (2, "")
    assert "stdin, line 2: not UTF-8 (byte 0xff at offset 2)" in err


def test_a_line_of_a_pipe_is_answered_before_the_next_one_comes(tiny: Path) -> None:
    command = [sys.executable, "-m", "torchless", "predict", str(tiny), "-", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for text in ("good", "bad"):
            process.stdin.write(text.encode() + b"\n")
            process.stdin.flush()
            assert select.select([process.stdout], [], [], 30)[0], "no answer in half a minute"
            assert json.loads(process.stdout.readline())["text"] == text
        process.stdin.write(b"no newline at the end")
        process.stdin.close()
        assert json.loads(process.stdout.readline())["text"] == "no newline at the end"


def test_many_lines_of_a_pipe_come_in_order(tiny: Path, program: Program) -> None:
    texts = [f"text number {number}" for number in range(3000)]
    done = program("predict", str(tiny), "-", "--json", stdin="\n".join(texts).encode())
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == texts


def test_undecodable_bytes_in_an_argument_are_named(tiny: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "torchless", "predict", str(tiny), b"\xff\xfe"], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"TEXT 1: lone surrogate U+DCFF at character 0" in done.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "id\tpremise\thypothesis\n1\tgood\tbad\n2\t\tx\n"),
        ("a.csv", 'premise,hypothesis\ngood,bad\n"",x\n'),
        ("a.jsonl", '{"premise": "good", "hypothesis": "bad"}\n{"premise": "", "hypothesis": "x"}\n'),
    ],
)
def test_pairs_come_from_two_columns(run: Run, tiny: Path, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    wanted = ("--input", tmp_path / name, "--column", "premise", "--pair-column", "hypothesis")
    code, out, _ = run("predict", tiny, *wanted, "--json", "--top-k", "all")
    rankings = Classifier.load(tiny).rank([TextPair("good", "bad"), TextPair("", "x")])
    assert code == 0
    assert [[(p["label"], p["score"]) for p in json.loads(line)["labels"]] for line in out.splitlines()] == [
        [(p.label, p.score) for p in ranking] for ranking in rankings
    ]
    code, out, _ = run("embed", tiny, *wanted)
    vectors = Encoder.load(tiny).embed([TextPair("good", "bad"), TextPair("", "x")])
    np.testing.assert_allclose([json.loads(line) for line in out.splitlines()], vectors, atol=1e-6)


def test_a_second_text_that_is_none_is_named(run: Run, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "b": "c"}\n{"text": "a", "b": null}\n')
    code, _, err = run("predict", tiny, "--input", tmp_path / "a.jsonl", "--pair-column", "b")
    assert code == 2
    assert "line 2, b: expected a string, got NoneType" in err


def options(*arguments: str | Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    add_window_arguments(parser)
    return parser.parse_intermixed_args(["MODEL", *map(str, arguments)])


def test_texts_come_in_chunks_that_bound_memory(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"{number}\n" for number in range(2 * CHUNK_TEXTS + 1)))
    chunks = list(read(options("--input", tmp_path / "a.txt")))
    assert [len(chunk) for chunk in chunks] == [CHUNK_TEXTS, CHUNK_TEXTS, 1]
    assert [text for chunk in chunks for text in chunk] == [str(number) for number in range(2 * CHUNK_TEXTS + 1)]


def test_long_lines_are_few_to_a_chunk(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(("x" * (CHUNK_CHARACTERS // 3) + "\n") * 7)
    assert [len(chunk) for chunk in read(options("--input", tmp_path / "a.txt"))] == [4, 3]


def test_stdin_may_stand_among_arguments(stdin: Callable[[bytes], None]) -> None:
    stdin(b"two\nthree\n")
    assert list(read(options("one", "-", "four"))) == [["one", "two", "three", "four"]]


def test_the_second_text_of_a_pair_comes_from_the_option_or_a_column(tmp_path: Path) -> None:
    assert list(read(options("a", "b", "--pair", ""))) == [[TextPair("a", ""), TextPair("b", "")]]
    (tmp_path / "a.csv").write_text("q,text\nx,a\n")
    assert list(read(options("--input", tmp_path / "a.csv", "--pair-column", "q"))) == [[TextPair("a", "x")]]


def test_any_option_of_windows_asks_for_them() -> None:
    assert windows(options("x")) is None
    assert windows(options("x", "--stride", "0")) == Windows()
    assert windows(options("x", "--combine", "max")) == Windows(combine="max")
    assert windows(options("x", "--window", "9", "--stride", "2")) == Windows(stride=2, size=9)


def test_a_format_is_named_where_the_extension_does_not_tell(run: Run, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text("text,label\ngood,1\n")
    code, out, err = run("predict", tiny, "--input", tmp_path / "a.dat")
    assert (code, out) == (2, "")
    assert "got .dat. Name its format with --input-format." in err
    for command in ("predict", "embed"):
        assert run(command, tiny, "--input", tmp_path / "a.dat", "--input-format", "csv")[0] == 0
    assert run("predict", tiny, "--input", tmp_path / "a.dat", "--input-format", "text")[1].count("\n") == 2


def test_stdin_may_be_a_table(stdin: Callable[[bytes], None]) -> None:
    stdin(b'text\n"a, b"\n')
    assert list(read(options("--input", "-", "--input-format", "csv"))) == [["a, b"]]


def test_a_format_needs_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        list(read(options("good", "--input-format", "csv")))
    assert "--input-format, --column and --pair-column need --input FILE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.tsv", b"text\tid\ra\t1\rb\t2\r"), ("a.tsv", b"text\ra\r"), ("a.txt", b"one\rtwo\r"), ("a", b"1\r2\r3")],
)
@pytest.mark.parametrize("piped", [False, True])
def test_line_ends_that_are_carriage_returns_alone_are_refused(
    run: Run, tiny: Path, tmp_path: Path, stdin: Callable[[bytes], None], name: str, content: bytes, piped: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    stdin(content)
    source = ["-", "--input-format", "tsv" if name == "a.tsv" else "text"] if piped else [tmp_path / name]
    code, out, err = run("predict", tiny, "--input", *source)
    assert (code, out) == (2, "")
    assert "expected lines that end with line feeds, got carriage returns alone" in err


def test_carriage_returns_on_stdin_are_refused_where_they_end_lines(
    run: Run, tiny: Path, stdin: Callable[[bytes], None]
) -> None:
    stdin(b"one\rtwo\r")
    assert "stdin: expected lines that end with line feeds" in run("predict", tiny, "-")[2]


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.txt", b"10%\r20%\rdone\n", ["10%\r20%\rdone"]),
        ("a.txt", b"one\r", ["one"]),
        ("a.txt", b"one\r\ntwo\r\n", ["one", "two"]),
        ("a.tsv", b'"a\rb"\ttext\n1\tgood\rbad\n', ["good\rbad"]),
        ("a.csv", b'text\n"good\rbad"\n', ["good\rbad"]),
    ],
)
def test_other_carriage_returns_are_part_of_a_text(
    run: Run, tiny: Path, tmp_path: Path, name: str, content: bytes, texts: list[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    code, out, _ = run("predict", tiny, "--input", tmp_path / name, "--json")
    assert code == 0
    assert [json.loads(line)["text"] for line in out.splitlines()] == texts


def test_stdin_without_a_format_is_lines(run: Run, tiny: Path, stdin: Callable[[bytes], None]) -> None:
    stdin(b"text,id\ngood,1\n")
    code, out, _ = run("predict", tiny, "--input", "-", "--json")
    assert (code, [json.loads(line)["text"] for line in out.splitlines()]) == (0, ["text,id", "good,1"])


@pytest.mark.parametrize("kind", ["parquet", "arrow", "feather"])
def test_a_table_of_arrow_comes_through_stdin(
    tiny: Path, run: Run, stdin: Callable[[bytes], None], tmp_path: Path, kind: str
) -> None:
    arrow = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    parquet = pytest.importorskip("pyarrow.parquet")
    table, path = arrow.table({"text": ["good", "bad"]}), tmp_path / "table"
    if kind == "parquet":
        parquet.write_table(table, path)
    else:
        feather.write_feather(table, path, compression="uncompressed")
    stdin(path.read_bytes())
    code, out, err = run("predict", tiny, "--input", "-", "--input-format", kind, "--json")
    assert code == 0, err
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["good", "bad"]
    stdin(b"no table")
    code, out, err = run("predict", tiny, "--input", "-", "--input-format", kind)
    assert (code, out) == (2, "")
    assert "stdin: cannot be read" in err
    assert ".." not in err
