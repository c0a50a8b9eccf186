from __future__ import annotations

from typing import get_args

import numpy as np

from torchless import Windows
from torchless.answers import numerics
from torchless.answers.numerics import cosines, normalize, pool_first, pool_max, pool_mean, sigmoid, softmax
from torchless.bundle.manifest import Activation, Pooling
from torchless.inputs.windows import Combination

# PyTorch's own: torch.softmax / torch.sigmoid of the seed's logits.
SEED_LOGITS = np.array([[-1.5607, 1.6123], [4.2141, -3.4158]], np.float32)
SEED_SCORES = [[0.040195, 0.95981], [0.99951, 0.00048549]]


def test_softmax_of_the_seed_logits_is_the_seed_scores() -> None:
    np.testing.assert_allclose(softmax(SEED_LOGITS), SEED_SCORES, rtol=2e-4)


def test_softmax_survives_huge_logits() -> None:
    assert softmax(np.array([[1e4, 0], [-1e4, -1e4]], np.float32)).tolist() == [[1, 0], [0.5, 0.5]]


def test_activations_are_known_by_their_names_in_the_manifest() -> None:
    assert set(numerics.ACTIVATIONS) == set(get_args(Activation))
    assert set(numerics.POOLINGS) == set(get_args(Pooling))
    assert set(numerics.COMBINATIONS) == set(get_args(Combination))
    assert numerics.ACTIVATIONS["none"](SEED_LOGITS) is SEED_LOGITS
    assert softmax(np.zeros((0, 2), np.float32)).shape == (0, 2)


def test_the_rows_of_windows_become_one_per_text() -> None:
    rows, offsets = np.array([[1, 6], [3, 2], [5, 5]], np.float32), np.array([0, 2, 3])
    assert numerics.combined(rows, offsets, None) is rows
    assert numerics.combined(rows, offsets, Windows(combine="mean")).tolist() == [[2, 4], [5, 5]]
    assert numerics.combined(rows, offsets, Windows(combine="max")).tolist() == [[3, 6], [5, 5]]
    assert numerics.combined(rows, offsets, Windows(combine="first")).tolist() == [[1, 6], [5, 5]]


def test_sigmoid_is_exact_at_both_ends_and_in_the_middle() -> None:
    scores = sigmoid(np.array([-1e4, -2, 0, 2, 1e4], np.float32))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [0, 0.1192029, 0.5, 0.8807971, 1], atol=1e-7)


def test_sigmoid_tells_small_scores_apart() -> None:
    scores = sigmoid(np.array([-80, -40, -20, -15], np.float32))
    np.testing.assert_allclose(scores, np.exp([-80, -40, -20, -15]), rtol=1e-6)


def test_normalize_leaves_a_zero_vector_alone() -> None:
    assert normalize(np.array([[3, 4], [0, 0]], np.float32)).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]


def test_cosines_go_row_by_row_and_keep_digits_that_float32_has_not() -> None:
    a = np.array([[3, 0], [1, 1], [0, 0], [1, 0]], np.float32)
    b = np.array([[2, 0], [1, -1], [1, 2], [1, 1e-4]], np.float32)
    found = cosines(a, b)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [1, 0, 0, 1 - 5e-9], rtol=0, atol=1e-12)


def test_pooling_respects_where_texts_end() -> None:
    packed = np.array([[1, 2], [3, 4], [10, 20]], np.float32)
    offsets = np.array([0, 2, 3])
    assert pool_mean(packed, offsets).tolist() == [[2, 3], [10, 20]]
    assert pool_first(packed, offsets).tolist() == [[1, 2], [10, 20]]
    assert pool_max(packed, offsets).tolist() == [[3, 4], [10, 20]]
