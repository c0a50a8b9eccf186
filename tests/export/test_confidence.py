"""The bounds are those of the papers that they are from."""

from __future__ import annotations

import math

import pytest

from torchless_export.confidence import drop_at_least, share_at_least


@pytest.mark.parametrize(
    ("count", "trials", "expected"),
    [(0, 184, 0.0), (2, 184, 0.0019347), (9, 184, 0.0257512), (17, 1421, 0.0076368), (60, 1421, 0.0338090)],
)
def test_a_share_has_the_exact_bound_of_clopper_and_pearson(count: int, trials: int, expected: float) -> None:
    assert share_at_least(count, trials) == pytest.approx(expected, rel=1e-4)  # beta.ppf(0.05, k, n - k + 1)


@pytest.mark.parametrize("trials", [1, 3, 200])
def test_a_share_of_all_texts_has_a_closed_form(trials: int) -> None:
    assert share_at_least(trials, trials) == pytest.approx(0.05 ** (1 / trials))


def test_a_share_is_bounded_in_large_samples_too() -> None:
    normal = 0.5 - 1.645 * math.sqrt(0.25 / 100_000)
    assert share_at_least(50_000, 100_000) == pytest.approx(normal, abs=1e-5)


def test_a_drop_counts_the_texts_that_one_model_alone_has_right() -> None:
    # (20 - 0) / 1002 less 1.645 standard errors of sqrt((21 / 1002 - 0.01996**2) / 1002)
    assert drop_at_least(20, 0, 1000) == pytest.approx(0.012509, abs=1e-6)
    assert drop_at_least(2, 0, 50) < 0.005  # 4 points on 50 texts show nothing
    assert drop_at_least(30, 30, 1000) < 0
    assert drop_at_least(60, 40, 1000) < drop_at_least(20, 0, 1000)  # the same drop, more by chance
