"""The parity table's page."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchless_bench.architectures import HEADER, main, updated
from torchless_bench.random_checkpoints import ROWS

ROOT = Path(__file__).parent.parent.parent
PAGE = f"before\n\n{HEADER}\n|---|\n| bert | 4.57.6 | lean | old |\n| bert | 5.23.0 | lean | kept |\n\nafter\n"


def test_rows_of_another_version_stay_and_the_rest_is_replaced_in_order() -> None:
    lines = updated(PAGE, {"bert": ["4.57.6", "lean", "new"], "albert": ["4.57.6", "lean", "added"]}).splitlines()
    assert lines[:3] == ["before", "", HEADER]
    assert lines[4:7] == [
        "| albert | 4.57.6 | lean | added |",
        "| bert | 4.57.6 | lean | new |",
        "| bert | 5.23.0 | lean | kept |",
    ]
    assert lines[7:] == ["", "after"]


def test_the_page_has_every_architecture_under_both_versions_of_transformers() -> None:
    table = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8").partition(HEADER)[2]
    rows = {tuple(cell.strip() for cell in line.split("|")[1:3]) for line in table.splitlines() if line.count("|") > 3}
    for name in ROWS:
        assert {version.split(".")[0] for row, version in rows if row == name} == {"4", "5"}, name


def test_one_row_is_measured_and_put_in_its_place(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    main([str(page), "--only", "electra"])
    (row,) = (line for line in page.read_text().splitlines() if line.startswith("| electra"))
    hidden, logits = (float(cell) for cell in row.split("|")[4:6])
    assert 0 < max(hidden, logits) < 1e-4


def test_an_unknown_row_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path / "page.md"), "--only", "gpt"])
    assert "expected some of distilbert; bert" in capsys.readouterr().err
