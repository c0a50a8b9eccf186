"""How int8 keeps weights and embedding tables."""

from __future__ import annotations

import numpy as np
import pytest

from torchless_export.precision.rounding import Rounding, round_columns, round_rows
from torchless_export.spec import Floats


def _inputs(rows: int, columns: int) -> Floats:
    """Values that depend on each other, as hidden states do."""
    rng = np.random.default_rng(1)
    drawn = rng.normal(size=(rows, columns // 3)) @ rng.normal(size=(columns // 3, columns))
    return (drawn + 0.3 * rng.normal(size=(rows, columns))).astype(np.float32)


@pytest.mark.parametrize("columns", [1, 2, 31, 128, 200])
def test_no_two_neighbours_can_saturate_avx2(columns: int) -> None:
    """vpmaddubsw adds two products of neighbours in 16 bits: 255 * (|a| + |b|) must stay below 32,768."""
    weight = np.random.default_rng(2).standard_t(2, (columns, 40)).astype(np.float32)
    inputs = _inputs(500, max(columns, 3))[:, :columns]
    levels, scales = round_columns(weight, Rounding.on(inputs.T @ inputs))
    sizes = np.abs(np.concatenate([levels, np.zeros_like(levels[: columns % 2])]).astype(int))
    assert (255 * (sizes[::2] + sizes[1::2])).max() <= 32767
    assert sizes.max() <= 127
    assert np.abs(levels * scales - weight).max() < 6 * scales.max()


def test_rounding_errs_less_on_the_values_that_come_in_than_the_nearest_levels_do() -> None:
    weight = np.random.default_rng(3).normal(size=(96, 32)).astype(np.float32)
    inputs = _inputs(2000, 96)
    levels, scales = round_columns(weight, Rounding.on(inputs.T @ inputs))
    nearest = np.rint(weight / scales)
    errors = [np.abs(inputs @ (each * scales - weight)).mean() for each in (levels, nearest)]
    assert errors[0] < 0.7 * errors[1]


def test_inputs_that_are_never_met_do_no_harm() -> None:
    weight = np.random.default_rng(4).normal(size=(10, 4)).astype(np.float32)
    for moment in (np.zeros((10, 10), np.float32), np.diag([0.0] * 5 + [1.0] * 5).astype(np.float32)):
        levels, scales = round_columns(weight, Rounding.on(moment))
        assert np.abs(levels * scales - weight).max() <= scales.max() * 0.5001


def test_rows_are_restored_to_half_a_level() -> None:
    table = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    quantized, scales = round_rows(table)
    error = np.abs(quantized * scales[:, None] - table).max(axis=1)
    assert (error <= scales * 0.5001).all()


def test_zeros_stay_zero_without_a_scale() -> None:
    zeros = np.zeros((3, 3), np.float32)
    for quantized, scales in (round_columns(zeros, Rounding.on(np.eye(3, dtype=np.float32))), round_rows(zeros)):
        assert not quantized.any()
        assert np.isfinite(scales).all()


def test_a_moment_whose_sums_were_rounded_below_zero_is_damped_until_it_has_a_factor() -> None:
    moment = np.diag([1e6, 1.0, 1.0, 1.0]).astype(np.float32)
    moment[1, 2] = moment[2, 1] = 4e4  # no second moment has this
    weight = np.random.default_rng(6).normal(size=(4, 3)).astype(np.float32)
    levels, scales = round_columns(weight, Rounding.on(moment))
    assert np.abs(levels * scales - weight).max() < 3 * scales.max()
