"""`torchless verify`: what was found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Run = Callable[..., tuple[int, str, str]]


def test_verify_reports_what_it_replayed(tiny: Path, run: Run) -> None:
    code, out, _ = run("verify", tiny)
    assert code == 0
    assert "files are as they were exported" in out
    assert "int8 against the golden answers: largest logit difference" in out


def test_verify_fails_on_a_damaged_bundle(tiny_copy: Path, run: Run) -> None:
    with (tiny_copy / "weights.fp32").open("r+b") as file:
        file.write(b"\x01")
    code, out, err = run("verify", tiny_copy)
    assert (code, out) == (1, "")
    assert "weights.fp32 was altered or damaged" in err
