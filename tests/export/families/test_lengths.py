"""Models without a table of positions read as many tokens as their tokenizer says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier
from torchless_export import export
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make


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
