from __future__ import annotations

import pytest

from torchless_bench.peak import forward_gflop
from torchless_bench.statistics import Spread, ratios

DISTILBERT = {"dim": 768, "hidden_dim": 3072, "n_layers": 6}


def test_a_spread_is_the_median_the_smallest_and_the_largest() -> None:
    assert Spread.of([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0)
    assert Spread.of([1.0, 2.0]) == Spread(1.5, 1.0, 2.0)


def test_ratios_are_taken_round_by_round() -> None:
    # The second round ran on a machine at half speed; the ratio does not notice.
    assert ratios([10.0, 20.0, 10.0], [5.0, 10.0, 4.0]) == Spread(2.0, 2.0, 2.5)


def test_ratios_refuse_rounds_that_do_not_pair_up() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


def test_a_forward_pass_of_distilbert_takes_the_known_operations() -> None:
    assert forward_gflop(DISTILBERT, 1, 128, first_token_only=False) == pytest.approx(11.17, abs=0.01)
    assert forward_gflop(DISTILBERT, 1, 128, first_token_only=True) == pytest.approx(11.17 * (1 - 0.139), abs=0.01)


def test_berts_names_count_the_same_as_distilberts() -> None:
    bert = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 6}
    assert forward_gflop(bert, 8, 32, first_token_only=True) == forward_gflop(DISTILBERT, 8, 32, first_token_only=True)
