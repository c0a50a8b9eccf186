"""The table of all that transformers classifies texts with."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchless_export.coverage_table import HEADER, main, updated, what_happens
from torchless_export.writers import optimum

needs_optimum = pytest.mark.skipif(not optimum.is_installed(), reason="optimum holds transformers at 4.57")


def test_rows_are_put_in_their_place() -> None:
    page = f"before\n\n{HEADER}\n|---|\n| bert | old | - | - |\n| t5 | kept | - | - |\n\nafter\n"
    lines = updated(page, {"bert": {"graph": "packed"}, "led": {"graph": "refused", "why not": "so"}}).splitlines()
    assert lines[4:] == [
        "| bert | packed | - | - |",
        "| led | refused | - | so |",
        "| t5 | kept | - | - |",
        "",
        "after",
    ]


@needs_optimum
def test_what_cannot_be_traced_says_why() -> None:
    row = what_happens("fnet")
    assert row["graph"] == "refused"
    assert "fft" in row["why not"]


@needs_optimum
def test_a_row_is_measured(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{HEADER}\n|---|\n")
    main([str(page), "--only", "bert;nezha"])
    assert [line.split(" | ")[1] for line in page.read_text().splitlines()[2:]] == ["packed", "optimum"]
    with pytest.raises(SystemExit):
        main([str(page), "--only", "nonesuch"])
