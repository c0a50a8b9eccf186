"""What a long command says while it works, on a terminal and where there is none."""

from __future__ import annotations

import io
import sys
import time

import pytest

from torchless.cli import status_line
from torchless.cli.status_line import StatusLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in stderr's place; called in the test, because pytest sets stderr after its fixtures."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "30")
    return terminal


def test_a_terminal_has_one_line_that_fits_and_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with StatusLine(ending=lambda: " · 5 min left") as status:
        status.show("first")
        status.show("a second line, longer than thirty columns")
        status.note("this stays")
    shown = terminal.getvalue().split("\r\x1b[K")
    assert shown == ["", "first · 5 min left", "a second line, longer than th", "this stays\n", ""]


def test_lines_that_are_kept_stand_below_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with StatusLine(keep=True) as status:
        status.show("first …")
        status.show("second …")
    assert terminal.getvalue() == "first …\nsecond …\n"


def test_work_that_ends_within_a_minute_says_nothing_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with StatusLine() as status:
        status.show("working")
    assert capsys.readouterr().err == ""


def test_off_a_terminal_a_long_step_is_repeated_each_minute_and_short_steps_between_are_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_line, "EVERY_S", 0.2)
    endings = iter(range(100))
    with StatusLine(at_once=True, ending=lambda: f" · {next(endings)}") as status:
        status.show("loading")
        status.show("a moment")
        status.show("a long step")
        end = time.monotonic() + 10
        shown = ""
        while shown.count("long") < 2 and time.monotonic() < end:
            time.sleep(0.02)
            shown += capsys.readouterr().err
    lines = shown.splitlines()
    assert lines[:3] == ["[0 min] loading · 0", "[0 min] a long step · 1", "[0 min] a long step · 2"]


def test_a_stderr_that_nobody_reads_does_not_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Broken())
    with StatusLine(at_once=True) as status:
        status.show("working")
        status.note("a note")
