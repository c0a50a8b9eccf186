"""Models without a table of positions read as many tokens as their tokenizer says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

from torchless import Bundle, Classifier
from torchless.cli import main
from torchless.errors import InputError
from torchless_export import export
from torchless_export.errors import UnsupportedModelError
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, RandomCheckpoint, make


@pytest.mark.parametrize(
    ("name", "longest"), [("deberta-v3", 150), ("modernbert", 150), ("deberta-v2", 64), ("bert", 64)]
)
def test_a_tokenizer_tuned_for_longer_texts_is_followed_where_no_table_ends(
    name: str, longest: int, tmp_path: Path, expected_logits: Callable[..., Any]
) -> None:
    checkpoint = make(replace(RANDOM_CHECKPOINTS[name], max_tokens=150), tmp_path / "checkpoint")
    assert json.loads((checkpoint / "config.json").read_text())["max_position_embeddings"] == 64
    report = export(checkpoint, tmp_path / "out", precisions=["fp32"])
    assert report.parity.longest_tokens == longest
    texts = ["the end of it " * 60, "good"]
    expected, _ = expected_logits(checkpoint, texts, model_max_length=longest)
    np.testing.assert_allclose(Classifier.load(tmp_path / "out").logits(texts), expected, atol=1e-4)


def test_more_positions_than_anybody_reads_take_no_memory(tmp_path: Path, expected_logits: Callable[..., Any]) -> None:
    checkpoint = make(RANDOM_CHECKPOINTS["modernbert"], tmp_path / "checkpoint")
    path = checkpoint / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_position_embeddings": 10**8}))
    export(checkpoint, tmp_path / "out", precisions=["fp32"])
    texts = ["the end of it " * 60, "good"]
    limit = Classifier.load(tmp_path / "out").manifest.max_tokens
    expected, _ = expected_logits(checkpoint, texts, model_max_length=limit)
    np.testing.assert_allclose(Classifier.load(tmp_path / "out").logits(texts), expected, atol=1e-4)


def test_a_length_that_nothing_states_is_asked_for(tmp_path: Path) -> None:
    checkpoint = make(RANDOM_CHECKPOINTS["modernbert"], tmp_path / "checkpoint")
    for name, fields in (
        ("config.json", {"max_position_embeddings": 10**8}),
        ("tokenizer_config.json", {"model_max_length": 10**30}),
    ):
        path = checkpoint / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    with pytest.raises(UnsupportedModelError, match="max_position_embeddings: expected at most 1,000,000"):
        export(checkpoint, tmp_path / "out", precisions=["fp32"])


@pytest.mark.parametrize(
    "changes",
    [{"local_rope_theta": ...}, {"local_rope_theta": None}, {"local_rope_theta": 500.0}, {"local_attention": -1}],
    ids=str,
)
def test_local_layers_turn_and_look_as_the_config_says(
    changes: dict[str, Any], tmp_path: Path, expected_logits: Callable[..., Any]
) -> None:
    if not transformers.__version__.startswith("4."):
        pytest.skip("version 5 writes these fields otherwise")
    checkpoint = make(RANDOM_CHECKPOINTS["modernbert"], tmp_path / "checkpoint")
    path = checkpoint / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not ...}))
    export(checkpoint, tmp_path / "out", precisions=["fp32"])
    texts = ["the end of it " * 12, "good"]
    expected, _ = expected_logits(checkpoint, texts)
    np.testing.assert_allclose(Classifier.load(tmp_path / "out").logits(texts), expected, atol=1e-4)


def test_a_limit_of_the_caller_s_is_the_bundle_s(tmp_path: Path) -> None:
    checkpoint = make(RANDOM_CHECKPOINTS["bert"], tmp_path / "checkpoint")
    assert main(["export", str(checkpoint), str(tmp_path / "out"), "--precision", "fp32", "--max-tokens", "20"]) == 0
    manifest = Bundle.open(tmp_path / "out").manifest
    assert (manifest.max_tokens, manifest.quality["parity"]["longest_tokens"]) == (20, 20)
    with pytest.raises(InputError, match=r"max_tokens: expected 3 to 64 tokens, got 65"):
        export(checkpoint, tmp_path / "out", max_tokens=65)
    with pytest.raises(InputError, match=r"max_tokens: expected 3 to 64 tokens, got 2"):
        export(checkpoint, tmp_path / "out", max_tokens=2)


@pytest.mark.optimum
def test_a_limit_is_asked_for_where_the_checkpoint_names_none(tmp_path: Path) -> None:
    sizes = {"d_model": 32, "d_inner": 64, "n_layer": 2, "n_head": 4}
    xlnet = RandomCheckpoint("xlnet", max_tokens=10**30, settings=sizes)
    checkpoint = make(xlnet, tmp_path / "checkpoint")
    with pytest.raises(UnsupportedModelError, match=r"model_max_length: expected .*Name it with --max-tokens"):
        export(checkpoint, tmp_path / "out")
    assert export(checkpoint, tmp_path / "out", max_tokens=50).parity.longest_tokens == 50


@pytest.mark.skipif(not transformers.__version__.startswith("4."), reason="version 5 reads these fields itself")
def test_thetas_that_transformers_5_saved_are_compared_with_the_same(tmp_path: Path) -> None:
    checkpoint = make(RANDOM_CHECKPOINTS["modernbert"], tmp_path / "checkpoint")
    path = checkpoint / "config.json"
    config = {name: value for name, value in json.loads(path.read_text()).items() if "rope_theta" not in name}
    thetas = {"full_attention": 500.0, "sliding_attention": 300.0}
    layers = {kind: {"rope_theta": theta, "rope_type": "default"} for kind, theta in thetas.items()}
    path.write_text(json.dumps({**config, "rope_parameters": layers}))
    assert export(checkpoint, tmp_path / "out", precisions=["fp32"]).parity.texts
