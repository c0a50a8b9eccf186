"""Labels with scores: whatever sorts them, the order is one."""

from __future__ import annotations

import numpy as np
import pytest

from torchless.serve.dialects.labels import rank


@pytest.mark.parametrize("texts", [0, 1, 3, 64, 65])
@pytest.mark.parametrize("labels", [1, 2, 28, 100])
@pytest.mark.parametrize("top_k", [None, 1, 5])
def test_few_and_many_scores_are_put_in_one_order(texts: int, labels: int, top_k: int | None) -> None:
    scores = np.random.default_rng(0).integers(-3, 4, (texts, labels)).astype(np.float32) / 4  # many are equal
    scores[scores == 0] *= -1  # -0.0 equals 0.0
    names = [f"label {index}" for index in range(labels)]
    ranked = rank(names, scores, top_k)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
    assert [[each.label for each in row] for row in ranked] == [[names[index] for index in row] for row in order]
    for row, expected in zip(ranked, np.take_along_axis(scores, order, axis=1), strict=True):
        assert [each.score for each in row] == expected.tolist()
