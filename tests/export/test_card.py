"""What the model card tells people to type is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless import Bundle
from torchless.cli import main
from torchless_export.card import model_card

NLI = {"labels": ["contradiction", "neutral", "entailment"]}
KINDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "softmax": ({"pairs": False}, ["sum to 1 (softmax)", "predict"]),
    "sigmoid": ({"activation": "sigmoid"}, ["score of its own (sigmoid)", "threshold=0.5", "--pair", "TextPair"]),
    "number": ({"activation": "none"}, ["the model's own number", "--pair"]),
    "NLI": (NLI, ["Texts, and pairs of texts,", "--candidate-labels", "ZeroShotClassifier"]),
    "encoder": ({"labels": [], "pooling": "cls", "normalize": False}, ["The first token's state is", "embed"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_fits_the_task_and_its_commands_run(
    tiny_copy: Path,
    rewrite: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    fields, expected = KINDS[kind]

    def change(manifest: dict[str, Any]) -> None:
        manifest.update(fields)
        for variant in manifest["variants"].values():
            variant["classifier"] = variant["classifier"] if manifest["labels"] else None

    rewrite(change)
    card = model_card(Bundle.open(tiny_copy).manifest)
    for words in expected:
        assert words in card
    monkeypatch.chdir(tiny_copy)
    shell, python = (re.findall(rf"```{language}\n(.*?)```", card, re.DOTALL) for language in ("sh", "python"))
    commands = [shlex.split(line) for line in shell[0].splitlines() if line.startswith("torchless")]
    assert len(commands) >= 2
    for command in commands:
        if command[1] != "verify":  # what was rewritten is no longer what was exported
            assert main(command[1:]) == 0, command
    assert capsys.readouterr().out
    exec(compile(python[0], "card", "exec"), {})


def test_the_card_of_a_model_that_ranks_says_how(
    tiny_ranker: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = model_card(Bundle.open(tiny_ranker).manifest)
    assert "pipeline_tag: text-ranking" in card
    assert "It ranks documents by a query; scores are then a sigmoid, from 0 to 1." in card
    assert (tiny_ranker / "README.md").read_text(encoding="utf-8").startswith(card.partition("## Files")[0])
    monkeypatch.chdir(tiny_ranker)
    (command,) = (shlex.split(line) for line in card.splitlines() if line.startswith("torchless rank"))
    assert main(command[1:]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    exec(compile(re.findall(r"```python\n(.*?)```", card, re.DOTALL)[0], "card", "exec"), {})
