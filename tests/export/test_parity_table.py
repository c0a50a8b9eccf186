"""The parity table's page."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchless_export.parity_table import TABLE, main
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS

ROOT = Path(__file__).parent.parent.parent
PAGE = (
    f"before\n\n{TABLE.header}\n|---|\n"
    "| bert | 4.57.6 | packed | old | old | - | - | - | 1.5 | 2.5 |\n"
    "| bert | 5.23.0 | packed | kept | - | - | - | - | - | - |\n\nafter\n"
)


def test_cells_that_were_not_measured_stay_and_the_rest_is_replaced_in_order() -> None:
    new = {"graph": "packed", "hidden states": "new"}
    lines = TABLE.updated(PAGE, {("bert", "4.57.6"): new, ("albert", "4.57.6"): {"logits": "added"}}).splitlines()
    assert lines[:3] == ["before", "", TABLE.header]
    assert lines[4:7] == [
        "| albert | 4.57.6 | - | - | added | - | - | - | - | - |",
        "| bert | 4.57.6 | packed | new | old | - | - | - | 1.5 | 2.5 |",
        "| bert | 5.23.0 | packed | kept | - | - | - | - | - | - |",
    ]
    assert lines[7:] == ["", "after"]


def test_the_page_has_every_architecture_under_both_versions_of_transformers() -> None:
    table = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8").partition(TABLE.header)[2]
    rows = {tuple(cell.strip() for cell in line.split("|")[1:3]) for line in table.splitlines() if line.count("|") > 3}
    for name in RANDOM_CHECKPOINTS:
        assert {version.split(".")[0] for row, version in rows if row == name} == {"4", "5"}, name


def test_one_row_is_measured_and_put_in_its_place(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    main([str(page), "--only", "electra"])
    (row,) = (line for line in page.read_text().splitlines() if line.startswith("| electra"))
    cells = row.split("|")
    hidden, logits, of_tokens = (float(cells[place]) for place in (4, 5, 7))
    assert 0 < max(hidden, logits, of_tokens) < 1e-4


def test_an_unknown_row_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path / "page.md"), "--only", "gpt"])
    assert "expected some of albert; albert, groups; bert" in capsys.readouterr().err
