from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from torchless import Classifier, Encoder
from torchless.cli import main


def torchless(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command line as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "torchless", *arguments], input=stdin, capture_output=True, timeout=60, check=False
    )


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Run the command line in this process."""
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(buffer))
    return buffer


def fill(stdin: io.BytesIO, data: bytes) -> None:
    stdin.write(data)
    stdin.seek(0)


def test_predict_prints_label_score_and_text(mini: Path) -> None:
    done = torchless("predict", str(mini), "I hate this so much")
    assert done.returncode == 0
    label, rest = done.stdout.decode().split(" ", 1)
    score, text = rest.rstrip("\n").split("\t")
    assert label == "NEGATIVE"
    assert 0.9 < float(score) <= 1
    assert text == "I hate this so much"
    assert done.stderr == b""


def test_predict_json_lines_say_what_the_library_says(mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["good", "bad \U0001f600"]
    code, out, _ = run(capsys, "predict", mini, *texts, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    for row, text, best in zip(rows, texts, Classifier.load(mini).predict(texts), strict=True):
        assert row == {"text": text, "label": best.label, "score": best.score, "truncated": False}


def test_predict_ranks_on_request(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "predict", tiny, "good", "--top-k", "all", "--json")
    labels = json.loads(out)["labels"]
    assert len(labels) == 3
    assert labels[0]["score"] >= labels[1]["score"] >= labels[2]["score"]
    _, out, _ = run(capsys, "predict", tiny, "good", "--top-k", "2")
    assert out.count(",") == 1


def test_predict_reads_lines_from_stdin(mini: Path, capsys: pytest.CaptureFixture[str], stdin: io.BytesIO) -> None:
    fill(stdin, b"what a delight\r\n\nnever again\n")
    code, out, _ = run(capsys, "predict", mini, "-", "--json")
    assert code == 0
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["what a delight", "", "never again"]


def test_predict_says_how_many_texts_were_cut(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "predict", tiny, "good", "! " * 100, "--json")
    assert code == 0
    assert [json.loads(line)["truncated"] for line in out.splitlines()] == [False, True]
    assert "1 of 2 texts were cut to 64 tokens" in err


def test_invalid_utf8_on_stdin_names_line_and_byte(
    mini: Path, capsys: pytest.CaptureFixture[str], stdin: io.BytesIO
) -> None:
    fill(stdin, b"fine\nbr\xff ken\n")
    code, out, err = run(capsys, "predict", mini, "-")
    assert (code, out) == (2, "")
    assert "stdin, line 2: not UTF-8 (byte 0xff at offset 2)" in err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("texts.txt", "good\nbad, very bad\n"),
        ("texts.csv", 'id,text\r\n1,good\r\n2,"bad, very bad"\r\n'),
        ("texts.tsv", "sentence\tlabel\ngood\t1\nbad, very bad\t0\n"),
        ("texts.jsonl", '{"text": "good"}\n\n{"id": 2, "text": "bad, very bad"}\n'),
        ("bom.csv", '\ufefftext\ngood\n"bad, very bad"\n'),
    ],
)
def test_every_kind_of_file_gives_its_texts(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    code, out, _ = run(capsys, "predict", tiny, "--input", tmp_path / name, "--json")
    assert code == 0
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["good", "bad, very bad"]


def test_a_column_is_taken_by_name(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "reviews.csv").write_text("text,body\nno,yes\n")
    _, out, _ = run(capsys, "predict", tiny, "--input", tmp_path / "reviews.csv", "--column", "body", "--json")
    assert json.loads(out)["text"] == "yes"


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", "id,body\n1,x\n", "a.csv: expected a column text or sentence, got id, body"),
        ("a.csv", "id,text\n1\n", "a.csv, line 2: expected 2 columns, got 1"),
        ("a.csv", 'text\n"never closed\n', "a.csv, line 2: unexpected end of data"),
        ("a.jsonl", "{}\n", "a.jsonl, line 1: expected a column text or sentence, got none"),
        ("a.jsonl", '{"text": "x"}\n{"text"', "a.jsonl, line 2: not JSON"),
        ("a.jsonl", '{"text": 7}', "a.jsonl, line 1: expected a string as text, got int"),
        ("a.jsonl", "[]", "a.jsonl, line 1: expected an object, got list"),
        ("a.csv", "", "a.csv: expected a column text or sentence, got none"),
    ],
)
def test_a_bad_file_is_named_with_its_line(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, complaint: str
) -> None:
    (tmp_path / name).write_text(content)
    code, _, err = run(capsys, "predict", tiny, "--input", tmp_path / name)
    assert code == 2
    assert complaint in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "expected texts"),
        (["x", "--input", "y.txt"], "one of these"),
        (["--column", "c", "x"], "--column goes with --input"),
        (["--input", "nowhere.txt"], "--input nowhere.txt: No such file or directory"),
        (["x", "--threads", "0"], "threads: expected a whole number of 1 or more"),
    ],
)
def test_wrong_usage_exits_with_2(
    tiny: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    code, out, err = run(capsys, "predict", tiny, *arguments)
    assert (code, out) == (2, "")
    assert complaint in err


@pytest.mark.parametrize("arguments", [["--top-k", "0"], ["--top-k", "many"], ["--precision", "int4"]])
def test_a_wrong_option_exits_with_2(tiny: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["predict", str(tiny), "x", *arguments])
    assert caught.value.code == 2
    assert "expected" in (err := capsys.readouterr().err) or "choose" in err


def test_a_missing_bundle_exits_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "predict", tmp_path / "nowhere", "x")
    assert (code, out) == (1, "")
    assert err.startswith("torchless: no bundle at")


def test_output_appears_whole_or_not_at_all(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.jsonl"
    assert run(capsys, "predict", tiny, "good", "--json", "--output", out)[0] == 0
    before = out.read_text()
    assert json.loads(before)["text"] == "good"
    (tmp_path / "in.txt").write_bytes(b"fine\n" * 2000 + b"\xff\n")  # fails in its second chunk
    code, _, err = run(capsys, "predict", tiny, "--input", tmp_path / "in.txt", "--output", out)
    assert code == 2
    assert "line 2001" in err
    assert out.read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.jsonl"]


def test_an_output_that_cannot_be_written_says_so(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "predict", tiny, "good", "--output", "/proc/nowhere/out.txt")
    assert code == 1
    assert "cannot write /proc/nowhere/out.txt" in err


def test_embed_prints_a_vector_a_line(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "embed", tiny, "good", "bad", "--pooling", "cls")
    assert code == 0
    rows = np.array([json.loads(line) for line in out.splitlines()], np.float32)
    np.testing.assert_array_equal(rows, Encoder.load(tiny).embed(["good", "bad"], pooling="cls"))


def test_embed_writes_one_array(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "vectors.npy"
    code, printed, _ = run(capsys, "embed", tiny, "good", "bad", "--output", out, "--no-normalize")
    assert (code, printed) == (0, "")
    np.testing.assert_array_equal(np.load(out), Encoder.load(tiny).embed(["good", "bad"], normalize=False))
    assert run(capsys, "embed", tiny, "good", "--output", "vectors.txt")[0] == 2


def test_embedding_no_texts_writes_an_empty_array(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], stdin: io.BytesIO
) -> None:
    fill(stdin, b"")
    assert run(capsys, "embed", tiny, "-", "--output", tmp_path / "none.npy")[0] == 0
    assert np.load(tmp_path / "none.npy").shape == (0, 32)


def test_predicting_no_texts_prints_nothing(tiny: Path, capsys: pytest.CaptureFixture[str], stdin: io.BytesIO) -> None:
    fill(stdin, b"")
    assert run(capsys, "predict", tiny, "-") == (0, "", "")


def test_info_shows_labels_and_proof(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "info", tiny)
    assert code == 0
    assert "negative, neutral, positive" in out
    assert "max logit difference" in out


def test_info_json_is_the_manifest(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "info", tiny, "--json")
    assert json.loads(out) == json.loads((tiny / "manifest.json").read_bytes())


def test_verify_reports_what_it_replayed(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "verify", tiny)
    assert code == 0
    assert "files are what was exported" in out
    assert "int8: golden logits within" in out


def test_verify_fails_on_a_damaged_bundle(tiny_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tiny_copy / "weights.fp32").open("r+b") as file:
        file.write(b"\x01")
    code, out, err = run(capsys, "verify", tiny_copy)
    assert (code, out) == (1, "")
    assert "weights.fp32 was altered or damaged" in err


def test_a_closed_pipe_is_no_traceback(tiny: Path) -> None:
    command = f"{sys.executable} -m torchless predict {tiny} --input - --json | head -1"
    done = subprocess.run(command, shell=True, input=b"good\n" * 5000, capture_output=True, timeout=60, check=False)
    assert json.loads(done.stdout)["text"] == "good"
    assert done.stderr == b""


def test_undecodable_bytes_in_an_argument_are_named(tiny: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "torchless", "predict", str(tiny), b"\xff\xfe"], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"texts[0]: lone surrogate U+DCFF at character 0" in done.stderr


def test_no_command_is_wrong_usage() -> None:
    done = torchless()
    assert done.returncode == 2
    assert b"usage: torchless" in done.stderr


def test_version_is_printed() -> None:
    import torchless as package

    assert torchless("--version").stdout.decode() == f"torchless {package.__version__}\n"
