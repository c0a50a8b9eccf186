"""The longest text that parity compares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from torchless_export import export, longest_text, samples
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make


@pytest.fixture
def long_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model for texts longer than the built-in sample, of which little is left."""
    lines = samples.built_in()[:16]
    monkeypatch.setattr(samples, "built_in", lambda: lines)
    return make(replace(RANDOM_CHECKPOINTS["modernbert"], max_tokens=1500), tmp_path / "checkpoint")


def test_parity_reaches_the_limit_of_models_for_long_texts(long_reader: Path, tmp_path: Path) -> None:
    said: list[str] = []
    assert export(long_reader, tmp_path / "out", precisions=["fp32"], say=said.append).parity.longest_tokens == 1500
    assert not [line for line in said if "compared up to" in line]


def test_parity_of_a_large_model_ends_earlier_and_says_so(
    long_reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longest_text, "_SCORES", 4 * 1200**2)  # of four attention heads
    said: list[str] = []
    longest = export(long_reader, tmp_path / "out", precisions=["fp32"], say=said.append).parity.longest_tokens
    assert longest == pytest.approx(1200, rel=0.1)
    assert [line for line in said if f"compared up to {longest} of 1500 tokens" in line]
