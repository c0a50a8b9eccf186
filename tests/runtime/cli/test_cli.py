from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import sys
import time
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


def test_embed_says_how_many_texts_were_cut(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "embed", tiny, "good", "! " * 100)
    assert code == 0
    assert "1 of 2 texts were cut to 64 tokens" in err


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


def test_many_lines_of_a_pipe_come_in_order(tiny: Path) -> None:
    texts = [f"text number {number}" for number in range(3000)]
    done = torchless("predict", str(tiny), "-", "--json", stdin="\n".join(texts).encode())
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == texts


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
        ("blank.csv", 'text\n\ngood\n\n"bad, very bad"\n\n'),
        ("blank.tsv", "text\tlabel\n\ngood\t1\nbad, very bad\t0\n\n"),
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


def test_a_long_field_is_no_error(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "long.csv").write_text("text\n" + "good " * 40_000 + "\n")
    code, out, _ = run(capsys, "predict", tiny, "--input", tmp_path / "long.csv", "--json")
    assert code == 0
    assert json.loads(out)["truncated"]


def test_a_column_is_taken_by_name(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "reviews.csv").write_text("text,body\nno,yes\n")
    _, out, _ = run(capsys, "predict", tiny, "--input", tmp_path / "reviews.csv", "--column", "body", "--json")
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
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, complaint: str
) -> None:
    (tmp_path / name).write_text(content)
    code, _, err = run(capsys, "predict", tiny, "--input", tmp_path / name)
    assert code == 2
    assert complaint in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--input", "nowhere.txt"], "--input nowhere.txt: No such file or directory"),
        (["x", "--threads", "0"], "threads: expected a whole number from 1 to 1024"),
        (["x", "--threads", str(1 << 40)], "threads: expected a whole number from 1 to 1024"),
    ],
)
def test_wrong_usage_exits_with_2(
    tiny: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    code, out, err = run(capsys, "predict", tiny, *arguments)
    assert (code, out) == (2, "")
    assert complaint in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "expected texts"),
        (["x", "--input", "y.txt"], "expected texts from one source"),
        (["--column", "c", "x"], "--column and --pair-column need --input"),
        (["x", "--top-k", "0"], "expected a whole number of 1 or more, or all, got '0'"),
        (["x", "--top-k", "many"], "expected a whole number of 1 or more, or all, got 'many'"),
        (["x", "--precision", "int4"], "choose"),
        (["x", "--output", ""], "expected a file name, got ''"),
        (["--input", ""], "expected a file name, got ''"),
    ],
)
def test_a_wrong_option_prints_the_usage_and_exits_with_2(
    tiny: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["predict", str(tiny), *arguments])
    err = capsys.readouterr().err
    assert caught.value.code == 2
    assert err.startswith("usage: torchless predict")
    assert complaint in err


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


def test_output_goes_through_a_link_and_leaves_the_link(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "out.txt").write_text("old")
    (tmp_path / "link").symlink_to("real/out.txt")
    assert run(capsys, "predict", tiny, "good", "--json", "--output", tmp_path / "link")[0] == 0
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "real" / "out.txt").read_text())["text"] == "good"


@pytest.mark.parametrize(("command", "name"), [("predict", "out"), ("embed", "out.npy")])
def test_output_into_a_pipe_is_written_through_it(tiny: Path, tmp_path: Path, command: str, name: str) -> None:
    os.mkfifo(tmp_path / name)
    arguments = [sys.executable, "-m", "torchless", command, str(tiny), "good", "--output", str(tmp_path / name)]
    with subprocess.Popen(arguments) as process:
        data = (tmp_path / name).read_bytes()
        assert data.startswith(b"\x93NUMPY") if command == "embed" else data.endswith(b"\tgood\n")
        assert process.wait(timeout=30) == 0
    assert (tmp_path / name).is_fifo()


@pytest.mark.parametrize(("command", "name"), [("predict", "out.txt"), ("embed", "out.npy")])
def test_a_full_disk_is_named_and_leaves_nothing_behind(tiny: Path, tmp_path: Path, command: str, name: str) -> None:
    code = (
        "import resource, sys; from torchless.cli import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); sys.exit(main(sys.argv[1:]))"
    )
    (tmp_path / "in.txt").write_text("good\n" * 50)
    arguments = [command, str(tiny), "--input", str(tmp_path / "in.txt"), "--output", str(tmp_path / name)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False, timeout=60)
    assert done.returncode == 1
    assert f"cannot write {tmp_path / name}: File too large. Nothing was changed there." in done.stderr.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


def test_control_characters_do_not_reach_a_terminal(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "predict", tiny, "red \x1b[31m\x00 \x9b and \U0001f600")
    assert out.endswith("\tred \\x1b[31m\\x00 \\x9b and \U0001f600\n")


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
    with pytest.raises(SystemExit):
        main(["embed", str(tiny), "good", "--output", "vectors.txt"])
    assert "expected a name that ends in .npy, got 'vectors.txt'" in capsys.readouterr().err


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
    assert "files are as they were exported" in out
    assert "int8 against the golden answers: largest logit difference" in out


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


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell, with `torchless` for the command line."""
    line = command.replace("torchless", f"{sys.executable} -m torchless", 1)
    return subprocess.run(
        line, shell=True, capture_output=True, timeout=60, check=False, env={**os.environ, **environment}
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", ["predict {} good", "embed {} good", "info {}", "verify {}"])
def test_a_full_stdout_is_an_error_without_a_traceback(tiny: Path, command: str) -> None:
    done = shell(f"torchless {command.format(tiny)} >/dev/full")
    assert done.returncode == 1
    assert done.stderr == b"torchless: cannot write stdout: No space left on device.\n"


def test_a_closed_stdout_is_an_error_without_a_traceback(tiny: Path) -> None:
    done = shell(f"torchless predict {tiny} good >&-")
    assert done.returncode == 1
    assert done.stderr == b"torchless: cannot write stdout: not writable.\n"


def test_a_closed_stdin_is_an_error_where_it_is_read(tiny: Path) -> None:
    done = shell(f"torchless predict {tiny} - <&-")
    assert done.returncode == 2
    assert done.stderr == b"torchless: stdin: Bad file descriptor.\n"
    assert shell(f"torchless predict {tiny} good <&-").returncode == 0


def test_complaints_that_nobody_can_read_still_have_their_exit_code(tmp_path: Path) -> None:
    assert shell(f"torchless info {tmp_path} 2>&-").returncode == 1
    assert shell(f"torchless info {tmp_path} 2>&-").stdout == b""


@pytest.mark.parametrize("form", ["", "--json"])
def test_output_is_utf8_whatever_the_locale(tiny: Path, form: str) -> None:
    done = shell(f"torchless predict {tiny} 'caf\u00e9 \U0001f600' {form}", PYTHONIOENCODING="ascii", LC_ALL="C.UTF-8")
    assert done.returncode == 0
    assert "caf\u00e9 \U0001f600" in done.stdout.decode()


def test_sigterm_leaves_no_temporary_file(tiny: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torchless", "predict", str(tiny), "-", "--output", str(tmp_path / "out.txt")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"good\n")
        process.stdin.flush()
        for _ in range(3000):
            if list(tmp_path.iterdir()):
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []


def test_undecodable_bytes_in_an_argument_are_named(tiny: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "torchless", "predict", str(tiny), b"\xff\xfe"], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"TEXT 1: lone surrogate U+DCFF at character 0" in done.stderr


def test_no_command_is_wrong_usage() -> None:
    done = torchless()
    assert done.returncode == 2
    assert b"usage: torchless" in done.stderr


def test_version_is_printed() -> None:
    import torchless as package

    assert torchless("--version").stdout.decode() == f"torchless {package.__version__}\n"
