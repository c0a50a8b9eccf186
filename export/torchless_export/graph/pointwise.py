"""What every part of a layer ends in: activations, norms and residuals."""

from __future__ import annotations

import numpy as np

from torchless_export.spec import Activation, Norm

from .nodes import CONTRIB, Graph


def activation(graph: Graph, name: str, x: str, kind: Activation) -> str:
    """Apply an activation to each value."""
    # onnxruntime's contrib kernels for GELU are the fused ones on CPU.
    if kind == "gelu":
        return graph.node("Gelu", name, [x], domain=CONTRIB)
    if kind == "gelu_tanh":
        return graph.node("FastGelu", name, [x], domain=CONTRIB)
    return graph.node({"relu": "Relu", "tanh": "Tanh"}[kind], name, [x])


def norm(graph: Graph, name: str, x: str, norm: Norm) -> str:
    """Layer normalisation over the last axis."""
    scale = graph.weight(f"{name}.scale", norm.scale)
    shift = graph.weight(f"{name}.shift", norm.shift)
    return graph.node("LayerNormalization", name, [x, scale, shift], axis=-1, epsilon=norm.epsilon)


def add_norm(graph: Graph, name: str, x: str, residual: str, norm_after: Norm | None) -> str:
    """Add x and its residual, and the norm where one follows."""
    if norm_after is not None and graph.floats == np.float16:  # for GPUs: one kernel, 1.11 to 1.17 times the texts
        scale = graph.weight(f"{name}.norm.scale", norm_after.scale)
        shift = graph.weight(f"{name}.norm.shift", norm_after.shift)
        inputs, epsilon = [x, residual, scale, shift], norm_after.epsilon
        return graph.node("SkipLayerNormalization", f"{name}.norm", inputs, domain=CONTRIB, epsilon=epsilon)
    # Two nodes on purpose: the fused one is 3 to 6 times slower on CPU.
    total = graph.node("Add", f"{name}.sum", [x, residual])
    return total if norm_after is None else norm(graph, f"{name}.norm", total, norm_after)
