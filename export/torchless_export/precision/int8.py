"""Static int8: weights and activations in 8 bits, products accumulated exactly in 32.

Every scale is a constant of the graph, found by calibration, so an answer depends on its own text alone. (Dynamic
int8 takes each scale from the whole batch: neighbours change the answer, microsoft/onnxruntime#10111.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from torchless_export.graph import CONTRIB, Graph
from torchless_export.spec import Floats, Linear

from .calibration import Site

# Weights stay in [-63, 63]: AVX2 adds two uint8 x int8 products in 16 bits, and 8-bit weights saturate there
# (microsoft/onnxruntime#6004).
_WEIGHT_MAX = 63
_ROW_MAX = 127


class Int8:
    """uint8 activations with one scale per site, int8 weights with one per column, int8 rows of the word table."""

    floats: np.dtype[np.floating] = np.dtype(np.float32)

    def __init__(self, sites: Mapping[str, Site]) -> None:
        self._sites = sites

    def table(self, graph: Graph, name: str, table: Floats, ids: str) -> str:
        """Gather 8-bit rows and their scales, then dequantise: four times smaller than float rows."""
        rows, scales = quantize_rows(table)
        chosen = graph.node("Gather", f"{name}.rows", [graph.weight(f"{name}.int8", rows), ids])
        scale = graph.node("Gather", f"{name}.row_scales", [graph.weight(f"{name}.scale", scales), ids])
        return graph.node("DequantizeLinear", name, [chosen, scale], axis=0)

    def enter(self, graph: Graph, name: str, x: str) -> str:
        """Quantise once for all products that share the input."""
        site = self._sites[name]
        if site.smoothing is not None:
            x = graph.node("Mul", f"{name}.smooth", [x, graph.weight(f"{name}.smoothing", 1 / site.smoothing)])
        scale, zero_point = site.affine()
        constants = [graph.constant(f"{name}.scale", scale), graph.constant(f"{name}.zero_point", zero_point)]
        return graph.node("QuantizeLinear", f"{name}.uint8", [x, *constants])

    def linear(self, graph: Graph, name: str, x: str, site: str, linear: Linear) -> str:
        """One integer product that scales its result back and adds the bias."""
        smoothing = self._sites[site].smoothing
        exact = linear.weight if smoothing is None else linear.weight * smoothing[:, None]
        columns, scales = quantize_columns(exact)
        weight = graph.weight(f"{name}.weight.int8", columns)
        scale, bias = graph.weight(f"{name}.weight.scale", scales), graph.weight(f"{name}.bias", linear.bias)
        inputs = [x, weight, f"{site}.scale", scale, f"{site}.zero_point", "", bias]
        return graph.node("MatMulIntegerToFloat", name, inputs, domain=CONTRIB)


def quantize_columns(weight: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Symmetric per output column: weight (in, out) to int8 (in, out) in [-63, 63] and scales (out,)."""
    scales = _scales(np.abs(weight).max(axis=0), _WEIGHT_MAX)
    return np.rint(weight / scales).astype(np.int8), scales


def quantize_rows(table: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Symmetric per row: table (rows, columns) to int8 (rows, columns) in [-127, 127] and scales (rows,)."""
    scales = _scales(np.abs(table).max(axis=1), _ROW_MAX)
    return np.rint(table / scales[:, None]).astype(np.int8), scales


def _scales(largest: Floats, levels: int) -> Floats:
    # A row of zeros (padding) has no scale of its own; any keeps it zero.
    scales: Floats = np.where(largest == 0, 1, largest / levels).astype(np.float32)
    return scales
