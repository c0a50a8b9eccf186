"""int8: weights and activations in 8 bits, products accumulated exactly in 32.

A scale is a constant of the graph, found by calibration, or comes from the row that it scales: an answer depends on
its own text alone. (Dynamic int8 takes each scale from the whole batch: neighbours change the answer,
microsoft/onnxruntime#10111.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torchless_export.graph import CONTRIB, Graph
from torchless_export.spec import Floats, Linear

from .calibration import Calibration
from .rounding import Rounding, round_columns, round_rows
from .sites import RowSite, StaticSite


class Int8:
    """uint8 activations, int8 weights with one scale per column, int8 rows of the word table.

    One instance writes all graphs of a variant, so that each matrix is rounded once.
    """

    floats: np.dtype[np.floating] = np.dtype(np.float32)

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._rounded: dict[int, tuple[NDArray[np.int8], Floats]] = {}
        self._latest: tuple[str, Rounding] | None = None

    def table(self, graph: Graph, name: str, table: Floats, ids: str) -> str:
        """Gather 8-bit rows and their scales, then dequantise: four times smaller than float rows."""
        rows, scales = round_rows(table)
        chosen = graph.node("Gather", f"{name}.rows", [graph.weight(f"{name}.int8", rows), ids])
        scale = graph.node("Gather", f"{name}.row_scales", [graph.weight(f"{name}.scale", scales), ids])
        return graph.node("DequantizeLinear", name, [chosen, scale], axis=0)

    def enter(self, graph: Graph, name: str, x: str) -> str:
        """Quantise once for all products that share the input."""
        site = self._calibration.sites[name]
        if isinstance(site, RowSite):
            return _rows(graph, name, x, site)
        if site.smoothing is not None:
            x = graph.node("Mul", f"{name}.smooth", [x, graph.weight(f"{name}.smoothing", 1 / site.smoothing)])
        scale, zero_point = site.affine()
        constants = [graph.constant(f"{name}.scale", scale), graph.constant(f"{name}.zero_point", zero_point)]
        return graph.node("QuantizeLinear", f"{name}.uint8", [x, *constants])

    def linear(self, graph: Graph, name: str, x: str, site: str, linear: Linear) -> str:
        """One integer product that scales its result back, and the bias."""
        weight, scale = self._weight(graph, name, site, linear)
        layout = self._calibration.sites[site]
        if isinstance(layout, StaticSite):
            bias = graph.weight(f"{name}.bias", linear.bias)
            inputs = [x, weight, f"{site}.scale", scale, f"{site}.zero_point", "", bias]
            return graph.node("MatMulIntegerToFloat", name, inputs, domain=CONTRIB)
        # The kernel takes one scale for all rows, so rows are scaled back behind it.
        one, zero = graph.shared.constant("one", np.array(1, np.float32)), f"{site}.zero_point"
        product = graph.node("MatMulIntegerToFloat", f"{name}.product", [x, weight, one, scale, zero], domain=CONTRIB)
        scaled = graph.node("Mul", f"{name}.scaled", [product, f"{site}.scale.column"])
        if not linear.bias.any():
            return scaled
        return graph.node("Add", name, [scaled, graph.weight(f"{name}.bias", linear.bias)])

    def _weight(self, graph: Graph, name: str, site: str, linear: Linear) -> tuple[str, str]:
        columns, scales = self._round(linear, site)
        return graph.weight(f"{name}.weight.int8", columns), graph.weight(f"{name}.weight.scale", scales)

    def _round(self, linear: Linear, site: str) -> tuple[NDArray[np.int8], Floats]:
        """Levels and scales of a matrix, the site's smoothing in it."""
        known = id(linear.weight)
        if known not in self._rounded:
            layout = self._calibration.sites[site]
            smoothing = layout.smoothing if isinstance(layout, StaticSite) else None
            weight = linear.weight if smoothing is None else linear.weight * smoothing[:, None]
            self._rounded[known] = round_columns(weight, self._rounding(site))
        return self._rounded[known]

    def _rounding(self, site: str) -> Rounding:
        if self._latest is None or self._latest[0] != site:  # products that share an input come one after another
            self._latest = site, Rounding.on(self._calibration.moment(site))
        return self._latest[1]


def _rows(graph: Graph, name: str, x: str, site: RowSite) -> str:
    """Float (1, rows, columns) to uint8, a scale per row: `NAME.scale` (rows,) and `NAME.scale.column` (rows, 1)."""

    def constant(suffix: str, value: float) -> str:
        return graph.constant(f"{name}.{suffix}", np.array(value, np.float32))

    zero = graph.constant(f"{name}.zero_point", np.array(site.zero_point, np.uint8))
    axes = graph.shared.constant("axes.values", np.array([0, 2]))
    top = graph.node("ReduceMax", f"{name}.top", [x, axes], keepdims=0)
    if site.signed:
        bottom = graph.node("ReduceMin", f"{name}.bottom", [x, axes], keepdims=0)
        top = graph.node("Max", f"{name}.largest", [top, graph.node("Neg", f"{name}.depth", [bottom])])
    step = graph.node("Mul", f"{name}.step", [top, constant("per_level", 1 / (255 - site.zero_point))])
    scale = graph.node("Max", f"{name}.scale", [step, constant("smallest", site.smallest)])
    graph.node("Unsqueeze", f"{name}.scale.column", [scale, graph.shared.constant("axis.columns", np.array([1]))])
    inputs = [x, scale]
    if site.zero_point:
        # The operator wants a zero point per row: whatever is divided by so much is 0, and has that level.
        inputs.append(graph.node("QuantizeLinear", f"{name}.zero_points", [scale, constant("huge", 1e38), zero]))
    return graph.node("QuantizeLinear", f"{name}.uint8", inputs, axis=1)
