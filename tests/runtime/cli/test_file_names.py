"""Names of outputs: none is the input, and none states another format than is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from torchless.cli import main

Run = Callable[..., tuple[int, str, str]]
MODELS = {"predict": "tiny", "embed": "tiny", "tag": "tiny_tagger", "rank": "tiny_ranker"}


@pytest.fixture
def command(request: pytest.FixtureRequest) -> Callable[[str], list[str]]:
    """The beginning of a command line: the command, its model, and a query where it needs one."""
    return lambda name: [name, str(request.getfixturevalue(MODELS[name])), *(["good"] if name == "rank" else [])]


@pytest.mark.parametrize(
    ("name", "file", "options"),
    [
        ("predict", "a.txt", []),
        ("predict", "a.jsonl", ["--json"]),
        ("embed", "a.npy", ["--input-format", "text"]),
        ("tag", "a.txt", []),
        ("rank", "a", ["--json"]),
    ],
)
def test_the_input_is_not_replaced(
    run: Run, command: Callable[[str], list[str]], tmp_path: Path, name: str, file: str, options: list[str]
) -> None:
    path = tmp_path / file
    path.write_text('{"text": "good"}\n')
    (tmp_path / "link").symlink_to(path)
    for source in (path, tmp_path / "link"):
        code, _, err = run(*command(name), "--input", source, "--output", path, *options)
        assert code == 2
        assert f"--output {path}: expected another file than the input {source}." in err
    assert path.read_text() == '{"text": "good"}\n'


@pytest.mark.skipif(os.name == "nt", reason="the shell is sh")
def test_what_the_shell_reads_from_is_not_replaced(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("good\n")
    command = [sys.executable, "-m", "torchless", "predict", str(tiny), "-", "--output", str(path)]
    with path.open("rb") as stdin:
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "expected another file than the input stdin" in done.stderr
    assert path.read_text() == "good\n"


@pytest.mark.parametrize("source", ["", "*.txt"])
def test_no_file_of_a_folder_or_a_pattern_is_replaced(run: Run, tiny: Path, tmp_path: Path, source: str) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("good\n")
    code, _, err = run("predict", tiny, "--input", tmp_path / source, "--output", tmp_path / "b.txt")
    assert code == 2
    assert "expected another file than the input" in err
    assert (tmp_path / "b.txt").read_text() == "good\n"


def test_devices_may_be_both(run: Run, tiny: Path) -> None:
    assert run("predict", tiny, "--input", os.devnull, "--output", os.devnull) == (0, "", "")


@pytest.mark.parametrize(
    ("name", "output", "arguments", "complaint"),
    [
        (
            "predict",
            "o.parquet",
            ["good"],
            "expected .txt or no extension for text, got .parquet. A table needs --input",
        ),
        ("predict", "o.jsonl", ["good"], "got .jsonl. --json writes JSON lines. A table needs --input FILE."),
        ("predict", "o.npy", ["good"], "got .npy. torchless embed writes .npy."),
        ("predict", "o.npy", ["--input", "in.csv"], "got .npy. torchless embed writes .npy."),
        ("predict", "o.txt.gz", ["good"], "got .txt.gz. A table needs --input FILE."),
        (
            "predict",
            "o.csv",
            ["--input", "in.csv", "--json"],
            "expected .jsonl for JSON lines, got .csv. A table needs",
        ),
        ("predict", "o.jsonl.gz", ["--input", "in.csv", "--json"], "got .jsonl.gz. A table needs --input FILE and no"),
        ("tag", "o.parquet", ["good"], "got .parquet. torchless predict and torchless embed write tables"),
        ("tag", "o.jsonl", ["--input", "in.csv"], "got .jsonl. --json writes JSON lines."),
        ("rank", "o.csv", ["good"], "got .csv. torchless predict and torchless embed write tables, with --input FILE."),
        ("rank", "o.tsv", ["good", "--json"], "expected .jsonl for JSON lines, got .tsv."),
        ("embed", "o.csv", ["good"], "expected .npy for one array, got .csv. A table needs --input FILE."),
    ],
)
def test_an_extension_of_another_format_is_refused(
    run: Run,
    command: Callable[[str], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    output: str,
    arguments: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("text\ngood\n")
    code, _, err = run(*command(name), *arguments, "--output", output)
    assert code == 2
    assert complaint in err
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize(
    ("name", "output", "options"),
    [
        ("predict", "o.txt", []),
        ("predict", "o", []),
        ("predict", "o.log", []),
        ("predict", "o.jsonl", ["--json"]),
        ("predict", "o.ndjson", ["--json"]),
        ("predict", "o.txt", ["--json"]),
        ("tag", "o.jsonl", ["--json"]),
        ("rank", "o.txt", []),
    ],
)
def test_an_extension_that_fits_or_says_nothing_is_written(
    run: Run, command: Callable[[str], list[str]], tmp_path: Path, name: str, output: str, options: list[str]
) -> None:
    assert run(*command(name), "good", *options, "--output", tmp_path / output) == (0, "", "")
    assert ((tmp_path / output).read_text()[0] == "{") == bool(options)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("option", [["--output", "-"], ["--output=-"]])
def test_a_dash_is_stdout(
    run: Run,
    command: Callable[[str], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    option: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*command(name), "good", *option) == run(*command(name), "good")
    assert list(tmp_path.iterdir()) == []


def test_a_dash_with_a_file_is_stdout_too(run: Run, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\ngood\n")
    code, out, _ = run("embed", tiny, "--input", tmp_path / "in.csv", "--output", "-")
    assert (code, np.array(json.loads(out)).shape) == (0, (32,))


def test_an_array_has_its_own_extension(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["embed", str(tiny), "good", "--output", "vectors.npy.gz"])
    assert "expected a name that ends in .npy, got 'vectors.npy.gz'" in capsys.readouterr().err
