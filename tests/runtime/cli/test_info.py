"""`torchless info`: what a bundle is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., tuple[int, str, str]]


def test_info_shows_labels_and_proof(tiny: Path, run: Run) -> None:
    code, out, _ = run("info", tiny)
    assert code == 0
    assert "negative, neutral, positive" in out
    assert "max logit difference" in out


def test_info_says_that_a_model_ranks(tiny: Path, tiny_ranker: Path, run: Run) -> None:
    assert "ranks        documents by a query; scores: sigmoid" in run("info", tiny_ranker)[1].splitlines()
    assert "ranks" not in run("info", tiny)[1]


def test_info_json_is_the_manifest(tiny: Path, run: Run) -> None:
    _, out, _ = run("info", tiny, "--json")
    assert json.loads(out) == json.loads((tiny / "manifest.json").read_bytes())
