"""What every part of a layer ends in: activations, norms and residuals."""

from __future__ import annotations

import numpy as np

from torchless_export.spec import HiddenActivation, Norm

from .nodes import CONTRIB, Graph


def activation(graph: Graph, name: str, x: str, kind: HiddenActivation) -> str:
    """Apply an activation to each value."""
    # onnxruntime's contrib kernels for GELU are the fused ones on CPU.
    if kind == "gelu":
        return graph.node("Gelu", name, [x], domain=CONTRIB)
    if kind == "gelu_tanh":
        return graph.node("FastGelu", name, [x], domain=CONTRIB)
    return graph.node({"relu": "Relu", "tanh": "Tanh"}[kind], name, [x])


def norm(graph: Graph, name: str, x: str, norm: Norm) -> str:
    """Layer normalisation over the last axis."""
    return graph.node("LayerNormalization", name, [x, *_constants(graph, name, norm)], axis=-1, epsilon=norm.epsilon)


def add_norm(graph: Graph, x: str, residual: str, norm_after: Norm | None) -> str:
    """Add x and its residual, and the norm where one follows."""
    if norm_after is not None and graph.floats == np.float16:  # for GPUs: one kernel, 1.11 to 1.17 times the texts
        inputs, epsilon = [x, residual, *_constants(graph, "norm", norm_after)], norm_after.epsilon
        return graph.node("SkipLayerNormalization", "norm", inputs, domain=CONTRIB, epsilon=epsilon)
    # Two nodes on purpose: the fused one is 3 to 6 times slower on CPU.
    total = graph.node("Add", "sum", [x, residual])
    return total if norm_after is None else norm(graph, "norm", total, norm_after)


def _constants(graph: Graph, name: str, norm: Norm) -> list[str]:
    return [graph.weight(f"{name}.scale", norm.scale), graph.weight(f"{name}.shift", norm.shift)]
