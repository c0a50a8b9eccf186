"""What the command line writes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from torchless.cli.text_output import Progress, report_truncated, report_windows, text_output, visible

Run = Callable[..., tuple[int, str, str]]


def test_an_output_that_cannot_be_written_says_so(tiny: Path, run: Run) -> None:
    code, _, err = run("predict", tiny, "good", "--output", "/proc/nowhere/out.txt")
    assert code == 1
    assert "cannot write /proc/nowhere/out.txt" in err


def test_control_characters_do_not_reach_a_terminal(tiny: Path, run: Run) -> None:
    _, out, _ = run("predict", tiny, "red \x1b[31m\x00 \x9b and \U0001f600")
    assert out.endswith("\tred \\x1b[31m\\x00 \\x9b and \U0001f600\n")


@pytest.mark.parametrize(
    ("terminal", "count", "shown"), [(True, 1025, True), (True, 1024, False), (False, 9999, False)]
)
def test_progress_is_shown_on_a_terminal_for_long_work(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, count: int, shown: bool
) -> None:
    err = io.StringIO()
    monkeypatch.setattr(err, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(sys, "stderr", err)
    with Progress("texts labelled") as progress:
        progress.show(count)
    assert err.getvalue() == (f"\r{count:,} texts labelled\n" if shown else "")


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
