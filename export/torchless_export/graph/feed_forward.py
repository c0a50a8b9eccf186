"""The feed-forward part of a layer."""

from __future__ import annotations

from torchless_export.spec import EncoderSpec, Layer

from .nodes import Graph
from .pointwise import activation, add_norm, norm
from .precision import Precision


def feed_forward(graph: Graph, name: str, layer: Layer, precision: Precision, x: str, spec: EncoderSpec) -> str:
    """down(activation(up(x)) · gate(x)), with its residual and norm: float (rows, dim) in and out."""
    read = norm(graph, f"{name}.norm", x, layer.output_norm) if spec.norm_first else x
    site = f"{name}.input"
    entered = precision.enter(graph, site, read)
    up = precision.linear(graph, f"{name}.up", entered, site, layer.up)
    active = activation(graph, f"{name}.active", up, spec.activation)
    if layer.gate is not None:
        gate = precision.linear(graph, f"{name}.gate", entered, site, layer.gate)
        active = graph.node("Mul", f"{name}.gated", [active, gate])
    site = f"{name}.hidden"
    down = precision.linear(graph, f"{name}.down", precision.enter(graph, site, active), site, layer.down)
    return add_norm(graph, name, down, x, None if spec.norm_first else layer.output_norm)
