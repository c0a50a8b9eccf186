"""Tokenizers that would fail, fill memory or never end while a checkpoint is read are refused by file and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import CheckpointError
from torchless_export.samples import of_model

Change = Callable[..., None]


@pytest.fixture
def change(broken: Path) -> Change:
    """Change fields of the copy's tokenizer.json."""

    def change(**fields: Any) -> None:
        path = broken / "tokenizer.json"
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **fields}), encoding="utf-8")

    return change


def field(folder: Path, name: str) -> Any:
    return json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))[name]


@pytest.mark.parametrize("index", [2**32 - 1, 100_000_000])
def test_an_id_far_beyond_the_vocabulary_is_named(broken: Path, change: Change, index: int) -> None:
    model = field(broken, "model")
    change(model={**model, "vocab": {**model["vocab"], "zebra": index}})
    with pytest.raises(
        CheckpointError, match=rf"tokenizer\.json, model\.vocab: expected ids up to .* got {index} for 'z"
    ):
        Checkpoint.open(str(broken)).transformers_tokenizer  # noqa: B018


def test_an_id_far_beyond_a_vocabulary_of_merges_is_named(broken: Path) -> None:
    (broken / "tokenizer.json").unlink()
    (broken / "vocab.json").write_text('{"a": 0, "zebra": 100000000}')
    (broken / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(CheckpointError, match=r"vocab\.json: expected ids up to 1,048,578"):
        Checkpoint.open(str(broken)).transformers_tokenizer  # noqa: B018


def test_padding_in_the_tokenizer_pads_nothing_of_an_export(broken: Path, change: Change) -> None:
    pad = {"pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    change(padding={"strategy": {"Fixed": 100_000}, "direction": "Left", **pad})
    checkpoint = Checkpoint.open(str(broken))
    backend = checkpoint.transformers_tokenizer.backend_tokenizer
    assert len(backend.encode("").ids) == 2
    assert checkpoint.pairs


@pytest.mark.parametrize(
    ("normalizer", "growth"),
    [
        ({"type": "Prepend", "prepend": "x" * 20_000}, "2e[+]04"),
        (
            {
                "type": "Sequence",
                "normalizers": [{"type": "Replace", "pattern": {"String": "e"}, "content": "e" * 100}] * 4,
            },
            "1e[+]08",
        ),
    ],
    ids=["prepend", "replace"],
)
def test_a_normalizer_that_makes_very_much_of_a_character_is_refused(
    broken: Path, change: Change, normalizer: dict[str, Any], growth: str
) -> None:
    change(normalizer=normalizer)
    with pytest.raises(CheckpointError, match=rf"tokenizer\.json, normalizer: .* for one of a text, got {growth}"):
        Checkpoint.open(str(broken)).transformers_tokenizer  # noqa: B018


def test_many_replacements_of_a_character_by_another_are_none_that_grow(broken: Path, change: Change) -> None:
    steps = [{"type": "Replace", "pattern": {"String": "\u2019"}, "content": "'"}] * 100
    change(normalizer={"type": "Sequence", "normalizers": [*steps, field(broken, "normalizer")]})
    assert Checkpoint.open(str(broken)).transformers_tokenizer.backend_tokenizer.encode("\u2019").ids


@pytest.mark.parametrize("times", [0, 2])
def test_a_template_has_the_text_once(broken: Path, change: Change, times: int) -> None:
    post = field(broken, "post_processor")
    kept = [step for step in post["single"] if "SpecialToken" in step]
    text = [step for step in post["single"] if "Sequence" in step]
    change(post_processor={**post, "single": kept + text * times})
    with pytest.raises(CheckpointError, match=r"tokenizer\.json, post_processor: .* with the text \(\$A\) once"):
        Checkpoint.open(str(broken)).transformers_tokenizer  # noqa: B018


def test_a_pattern_that_costs_too_much_is_no_panic_of_rust(broken: Path, change: Change) -> None:
    pattern = {"Regex": r"(\w+\w+)+\d$"}
    change(pre_tokenizer={"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False})
    tokenizer = Checkpoint.open(str(broken)).transformers_tokenizer
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: the tokenizer fails on '.* \(.*retry-limit"):
        of_model(tokenizer.backend_tokenizer)
