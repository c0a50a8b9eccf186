"""The table of all that transformers classifies texts with."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchless_export.coverage_table import TABLE, main, row_of, what_happens
from torchless_export.families import FAMILIES

ROOT = Path(__file__).parent.parent.parent


def test_rows_are_put_in_their_place() -> None:
    page = f"before\n\n{TABLE.header}\n|---|\n| bert | old | old | - |\n| t5 | kept | - | - |\n\nafter\n"
    measured = dict([row_of("bert"), (("led",), {"graph": "refused", "why not": "so"})])
    lines = TABLE.updated(page, measured).splitlines()
    assert lines[4:] == [
        "| bert | packed | - | - |",
        "| led | refused | - | so |",
        "| t5 | kept | - | - |",
        "",
        "after",
    ]


@pytest.mark.optimum
def test_what_cannot_be_traced_says_why() -> None:
    row = what_happens("fnet")
    assert row["graph"] == "refused"
    assert "fft" in row["why not"]


@pytest.mark.optimum
def test_a_row_is_measured(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{TABLE.header}\n|---|\n")
    main([str(page), "--only", "bert;nezha"])
    assert [line.split(" | ")[1] for line in page.read_text().splitlines()[2:]] == ["packed", "optimum"]
    with pytest.raises(SystemExit):
        main([str(page), "--only", "nonesuch"])


def test_the_page_has_every_family() -> None:
    rows = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8").partition(TABLE.header)[2].splitlines()
    packed = {line.split(" | ")[0].strip("| ") for line in rows if line.count("|") == 5 and "| packed |" in line}
    assert set(FAMILIES) <= packed
