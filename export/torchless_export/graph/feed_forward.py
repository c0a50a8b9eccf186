"""The feed-forward part of a layer."""

from __future__ import annotations

from torchless_export.spec import Layer

from .nodes import Graph
from .pointwise import activation, add_norm, norm


def feed_forward(graph: Graph, layer: Layer, x: str) -> str:
    """down(activation(up(x)) · gate(x)), with its residual and norm: float (1, rows, hidden_size) in and out."""
    norm_first = graph.spec.norm_first
    read = norm(graph, "norm", x, layer.output_norm) if norm_first else x
    entered = graph.enter("input", read)
    up = graph.linear("up", entered, "input", layer.up)
    active = activation(graph, "active", up, graph.spec.activation)
    if layer.gate is not None:
        gate = graph.linear("gate", entered, "input", layer.gate)
        active = graph.node("Mul", "gated", [active, gate])
    down = graph.linear("down", graph.enter("hidden", active), "hidden", layer.down)
    return add_norm(graph, down, x, None if norm_first else layer.output_norm)
