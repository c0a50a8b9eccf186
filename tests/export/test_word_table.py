"""Tokens that the model has no row for are found before a text has one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless_export import export
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import CheckpointError
from torchless_export.reference import Reference

Change = Callable[[Callable[[dict[str, Any]], Any]], int]


@pytest.fixture
def change(broken: Path) -> Change:
    """Change the copy's tokenizer.json; answers how many rows the model's table has."""

    def change(edit: Callable[[dict[str, Any]], Any]) -> int:
        path = broken / "tokenizer.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        edit(content)
        path.write_text(json.dumps(content), encoding="utf-8")
        return int(json.loads((broken / "config.json").read_text())["vocab_size"])

    return change


def added(content: dict[str, Any], name: str) -> None:
    token = {**content["added_tokens"][0], "content": name, "special": False, "id": len(content["model"]["vocab"])}
    content["added_tokens"].append(token)


def test_a_word_without_a_row_is_named(broken: Path, change: Change) -> None:
    rows = change(lambda content: content["model"]["vocab"].update(zebra=100_000))
    with pytest.raises(CheckpointError, match=rf"ids below {rows}, the rows of .* got 100000 for 'zebra'"):
        Reference(Checkpoint.open(str(broken)), 64, "classifier")


def test_a_special_token_without_a_row_is_named(broken: Path, change: Change) -> None:
    rows = change(lambda content: content["post_processor"]["special_tokens"]["[CLS]"].update(ids=[100_000]))
    with pytest.raises(CheckpointError, match=rf"post_processor: .* ids below {rows}, .* got 100000"):
        Reference(Checkpoint.open(str(broken)), 64, "classifier")


def test_an_added_token_without_a_row_is_said_and_exported(broken: Path, change: Change, tmp_path: Path) -> None:
    rows = change(lambda content: added(content, "<never>"))
    said: list[str] = []
    export(broken, tmp_path / "out", precisions=["fp32"], say=said.append)
    assert f"'<never>' (id {rows}); its table of words has {rows} rows" in "\n".join(said)
