"""What the command line writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Run = Callable[..., tuple[int, str, str]]


def test_an_output_that_cannot_be_written_says_so(tiny: Path, run: Run) -> None:
    code, _, err = run("predict", tiny, "good", "--output", "/proc/nowhere/out.txt")
    assert code == 1
    assert "cannot write /proc/nowhere/out.txt" in err


def test_control_characters_do_not_reach_a_terminal(tiny: Path, run: Run) -> None:
    _, out, _ = run("predict", tiny, "red \x1b[31m\x00 \x9b and \U0001f600")
    assert out.endswith("\tred \\x1b[31m\\x00 \\x9b and \U0001f600\n")
