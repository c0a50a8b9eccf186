"""The command line as a program: exit codes, streams and signals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]
Program = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--input", "nowhere.txt"], "--input nowhere.txt: No such file or directory"),
        (["x", "--threads", "0"], "threads: expected a whole number from 1 to 1024"),
        (["x", "--threads", str(1 << 40)], "threads: expected a whole number from 1 to 1024"),
    ],
)
def test_wrong_usage_exits_with_2(tiny: Path, run: Run, arguments: list[str], complaint: str) -> None:
    code, out, err = run("predict", tiny, *arguments)
    assert (code, out) == (2, "")
    assert complaint in err


def test_a_missing_bundle_exits_with_1(tmp_path: Path, run: Run) -> None:
    code, out, err = run("predict", tmp_path / "nowhere", "x")
    assert (code, out) == (1, "")
    assert err.startswith("torchless: no bundle at")


def test_no_command_is_wrong_usage(program: Program) -> None:
    done = program()
    assert done.returncode == 2
    assert b"usage: torchless" in done.stderr


def test_version_is_printed(program: Program) -> None:
    import torchless as package

    assert program("--version").stdout.decode() == f"torchless {package.__version__}\n"


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


def test_an_error_of_the_system_that_is_not_about_stdout_does_not_say_so(
    tiny: Path, run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("torchless.bundle.bundle.Bundle.open", fail)
    assert run("info", tiny) == (1, "", "torchless: OSError: Cannot allocate memory.\n")


@pytest.mark.parametrize("module", ["torchless", "torchless.cli"])
def test_the_command_line_is_a_module_of_two_names(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("torchless ")


def test_a_closed_stdin_is_an_error_where_it_is_read(tiny: Path) -> None:
    done = shell(f"torchless predict {tiny} - <&-")
    assert done.returncode == 2
    assert done.stderr == b"torchless: stdin: Bad file descriptor.\n"
    assert shell(f"torchless predict {tiny} good <&-").returncode == 0


def test_complaints_that_nobody_can_read_still_have_their_exit_code(tmp_path: Path) -> None:
    assert shell(f"torchless info {tmp_path} 2>&-").returncode == 1
    assert shell(f"torchless info {tmp_path} 2>&-").stdout == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("options", ["--output {}/out.csv", "--output {}/out.txt --window 8", "--json"])
def test_work_that_is_complete_succeeds_though_stderr_is_full(tiny: Path, tmp_path: Path, options: str) -> None:
    (tmp_path / "in.csv").write_text("text\n" + "good " * 100 + "\n")
    done = shell(f"torchless predict {tiny} --input {tmp_path}/in.csv {options.format(tmp_path)} 2>/dev/full")
    assert done.returncode == 0
    assert bool(done.stdout) == (options == "--json")
    assert len(list(tmp_path.iterdir())) == (1 if options == "--json" else 2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(("text", "code"), [("good,", 3), ("good", 0)])
def test_rows_without_an_answer_keep_their_exit_code_though_stderr_is_full(
    tiny: Path, tmp_path: Path, text: str, code: int
) -> None:
    (tmp_path / "in.csv").write_text(f"text\n{text}\n")
    command = f"torchless predict {tiny} --input {tmp_path}/in.csv --output {tmp_path}/out.csv"
    assert shell(f"{command} 2>/dev/full").returncode == code
    assert shell(f"{command} --overwrite --strict 2>/dev/full").returncode == min(code, 1)


def test_a_table_s_closed_stdin_is_said_of_stdin(tiny: Path, tmp_path: Path) -> None:
    done = shell(f"torchless predict {tiny} --input - --input-format csv --output {tmp_path}/out.csv <&-")
    assert (done.returncode, done.stderr) == (2, b"torchless: stdin: it is closed.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no folder that is in use")
@pytest.mark.parametrize("output", ["out.csv", "out.parquet"])
def test_a_table_in_a_folder_that_was_deleted_is_named(tiny: Path, tmp_path: Path, output: str) -> None:
    (tmp_path / "gone").mkdir()
    (tmp_path / "in.csv").write_text("text\ngood\n")
    gone = tmp_path / "gone"
    options = f"{tiny.resolve()} --input {tmp_path}/in.csv --output {output}"
    command = [f"cd {gone} && rmdir {gone} && {sys.executable} -P -m torchless predict {options}"]
    done = subprocess.run(command, shell=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"torchless: cannot write {output}: No such file or directory.")


@pytest.mark.parametrize("form", ["", "--json"])
def test_output_is_utf8_whatever_the_locale(tiny: Path, form: str) -> None:
    done = shell(f"torchless predict {tiny} 'caf\u00e9 \U0001f600' {form}", PYTHONIOENCODING="ascii", LC_ALL="C.UTF-8")
    assert done.returncode == 0
    assert "caf\u00e9 \U0001f600" in done.stdout.decode()


def test_an_error_of_the_system_is_about_the_file_that_it_names(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    def failing(_: object) -> int:
        raise OSError(5, "Input/output error", "weights.int8")

    monkeypatch.setattr("torchless.cli.info.run", failing)
    code, out, err = run("info", "bundle")
    assert (code, out, err) == (1, "", "torchless: weights.int8: Input/output error.\n")


def test_too_little_memory_is_an_error_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tiny: Path, run: Run
) -> None:
    def load(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("torchless.Classifier.load", load)
    code, _, said = run("predict", tiny, "a")
    assert (code, said) == (1, "torchless: out of memory. Give it fewer or shorter texts at a time.\n")


def test_a_terminal_obeys_no_complaint(tiny: Path, run: Run) -> None:
    code, _, said = run("predict", tiny, "--input", "\x1b]0;title\x07\x1b31m.txt")
    assert code == 2
    assert "--input \\x1b]0;title\\x07\\x1b31m.txt: No such file" in said
