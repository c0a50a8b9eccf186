from __future__ import annotations

import pytest

from torchless_bench.measuring.spread import Spread, ratios


def test_a_spread_is_the_median_the_smallest_and_the_largest() -> None:
    assert Spread.of([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0)
    assert Spread.of([1.0, 2.0]) == Spread(1.5, 1.0, 2.0)


def test_ratios_are_taken_round_by_round() -> None:
    # The second round ran on a machine at half speed; the ratio does not notice.
    assert ratios([10.0, 20.0, 10.0], [5.0, 10.0, 4.0]) == Spread(2.0, 2.0, 2.5)


def test_ratios_refuse_rounds_that_do_not_pair_up() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])
