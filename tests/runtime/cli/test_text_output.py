"""What the command line writes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from torchless.cli import main
from torchless.cli.text_input import CHUNK_TEXTS
from torchless.cli.text_output import report_truncated, report_windows, text_output, visible

Run = Callable[..., tuple[int, str, str]]


def test_an_output_that_cannot_be_written_says_so(tiny: Path, run: Run) -> None:
    code, _, err = run("predict", tiny, "good", "--output", "/proc/nowhere/out.txt")
    assert code == 1
    assert "cannot write /proc/nowhere/out.txt" in err


def test_control_characters_do_not_reach_a_terminal(tiny: Path, run: Run) -> None:
    _, out, _ = run("predict", tiny, "red \x1b[31m\x00 \x9b and \U0001f600")
    assert out.endswith("\tred \\x1b[31m\\x00 \\x9b and \U0001f600\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("command", "model", "line"),
    [
        (["predict"], "tiny", "1,024 texts labelled"),
        (["embed"], "tiny", "1,024 texts embedded"),
        (["rank", "good"], "tiny_ranker", "1,024 documents scored"),
        (["tag"], "tiny_tagger", "1,024 texts tagged"),
    ],
)
def test_a_long_list_says_on_a_terminal_how_far_it_is_and_a_short_one_does_not(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: list[str],
    model: str,
    line: str,
) -> None:
    bundle, path = request.getfixturevalue(model), tmp_path / "texts.txt"
    shown = []
    for count in (CHUNK_TEXTS, CHUNK_TEXTS + 1):
        path.write_text("good\n" * count)
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        assert main([command[0], str(bundle), *command[1:], "--input", str(path)]) == 0
        shown.append([each for each in terminal.getvalue().split("\r\x1b[K") if each])
    assert shown == [[], [line]]


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_every_control_character_is_spelled_out(code: int) -> None:
    assert visible(f"a{chr(code)}b") == f"a\\x{code:02x}b"


def test_other_characters_are_left_alone() -> None:
    assert visible("caf\u00e9 \U0001f600 \u00a0~") == "caf\u00e9 \U0001f600 \u00a0~"


def test_text_goes_to_a_file_in_utf8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with text_output(str(tmp_path / "out.txt")) as write:
        write("caf\u00e9\n")
        write("two\n")
        assert not (tmp_path / "out.txt").exists()
    assert (tmp_path / "out.txt").read_bytes() == b"caf\xc3\xa9\ntwo\n"
    with text_output(None) as write:
        write("caf\u00e9\n")
    assert capsys.readouterr().out == "caf\u00e9\n"


def test_what_became_of_long_texts_is_said_only_where_there_are_some(capsys: pytest.CaptureFixture[str]) -> None:
    report_truncated(0, 5, 64)
    report_windows(0, 5)
    assert capsys.readouterr().err == ""
    report_truncated(2, 5, 64)
    report_windows(3, 5)
    assert [[word for word in line.split() if word.isdigit()] for line in capsys.readouterr().err.splitlines()] == [
        ["2", "5", "64"],
        ["3", "5"],
    ]
