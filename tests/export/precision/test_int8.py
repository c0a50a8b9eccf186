"""How int8 keeps weights and embedding tables."""

from __future__ import annotations

import numpy as np

from torchless_export.precision.int8 import quantize_columns, quantize_rows


def test_columns_use_seven_bits_because_eight_saturate_on_avx2() -> None:
    weight = np.array([[1.0, -4.0], [0.25, 1.0]], np.float32)
    quantized, scales = quantize_columns(weight)
    np.testing.assert_allclose(scales, [1 / 63, 4 / 63], rtol=1e-6)
    assert quantized.tolist() == [[63, -63], [16, 16]]  # 15.75 rounds up


def test_rows_are_restored_to_half_a_level() -> None:
    table = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    quantized, scales = quantize_rows(table)
    error = np.abs(quantized * scales[:, None] - table).max(axis=1)
    assert (error <= scales * 0.5001).all()


def test_zeros_stay_zero_without_a_scale() -> None:
    for quantize in (quantize_columns, quantize_rows):
        quantized, scales = quantize(np.zeros((3, 3), np.float32))
        assert not quantized.any()
        assert np.isfinite(scales).all()
