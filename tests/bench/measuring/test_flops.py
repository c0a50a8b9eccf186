from __future__ import annotations

import pytest

from torchless_bench.measuring.flops import forward_gflop

DISTILBERT = {"dim": 768, "hidden_dim": 3072, "n_layers": 6}


def test_a_forward_pass_of_distilbert_takes_the_known_operations() -> None:
    assert forward_gflop(DISTILBERT, 1, 128, first_token_only=False) == pytest.approx(11.17, abs=0.01)
    assert forward_gflop(DISTILBERT, 1, 128, first_token_only=True) == pytest.approx(11.17 * (1 - 0.139), abs=0.01)


def test_berts_names_count_the_same_as_distilberts() -> None:
    bert = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 6}
    assert forward_gflop(bert, 8, 32, first_token_only=True) == forward_gflop(DISTILBERT, 8, 32, first_token_only=True)
