"""The columns about speed in the parity table."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchless_bench.architectures import main
from torchless_export.parity_table import COLUMNS
from torchless_export.random_checkpoints import RandomCheckpoint

ROOT = Path(__file__).parent.parent.parent


def test_the_columns_about_speed_alone_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def faster(random: RandomCheckpoint) -> dict[str, str]:
        assert random.model_type == "electra"
        return {"fp32, times faster": "8.8", "int8, times faster": "9.9"}

    monkeypatch.setattr("torchless_bench.architectures.measure", faster)
    monkeypatch.setattr("transformers.__version__", "4.57.6")
    before = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(before, encoding="utf-8")
    main([str(page), "--only", "electra"])
    changed = [
        (old, new)
        for old, new in zip(before.splitlines(), page.read_text(encoding="utf-8").splitlines(), strict=True)
        if old != new
    ]
    ((old, new),) = changed
    cells, others = new.split(" | "), old.split(" | ")
    assert cells[:-2] == others[:-2]
    assert (cells[-2:], len(cells)) == (["8.8", "9.9 |"], len(COLUMNS))


def test_an_unknown_row_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path / "page.md"), "--only", "gpt"])
    assert "expected some of albert; albert, groups; bert" in capsys.readouterr().err
