"""Hidden states to logits."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from torchless_export.spec import EncoderSpec, Head

from .nodes import Graph
from .pointwise import activation, norm
from .precision import Precision
from .rectangle import first_row, flat, rectangle


def classify(graph: Graph, head: Head, precision: Precision, x: str, spec: EncoderSpec) -> str:
    """Logits (texts, labels) from the first tokens' states (1, texts, dim), or from all (1, tokens, dim), averaged."""
    x = _mean(graph, x, spec) if head.pooling == "mean" else flat(graph, "head.first", x, spec)
    site = "head.input"
    dense = precision.linear(graph, "head.dense", precision.enter(graph, site, x), site, head.dense)
    active = activation(graph, "head.active", dense, head.activation)
    if head.norm is not None:
        active = norm(graph, "head.norm", active, head.norm)
    # A few columns: not worth quantising, and the logits deserve all their digits.
    weight, bias = graph.weight("head.out.weight", head.out.weight), graph.weight("head.out.bias", head.out.bias)
    return graph.node("Gemm", "logits", [active, weight, bias])


def _mean(graph: Graph, x: str, spec: EncoderSpec) -> str:
    """The mean of each text's rows: (1, tokens, dim) to (texts, dim).

    Summed in the attention core's rectangle, where what stands after a text has ended is zero, so that neighbours
    change nothing.
    """
    alone, several = graph.branch(), graph.branch()
    tokens = graph.constant("axis.tokens", np.array([1]))
    alone_sum = alone.node("ReduceSum", "head.mean.alone", [x, tokens], keepdims=0)

    filled = several.node("Squeeze", "head.mean.filled", [first_row(several, "head.mean.mask"), tokens])
    filled = several.node("Transpose", "head.mean.kept", [filled], perm=[0, 2, 1])  # (texts, longest, 1)
    zero = graph.constant("zero", np.array(0, np.float32))
    slots = rectangle(several, "head.mean.slots", x, spec)
    kept = several.node("Where", "head.mean.masked", [filled, slots, zero])
    several_sum = several.node("ReduceSum", "head.mean.several", [kept, tokens], keepdims=0)

    branches = {"then_branch": alone.body(alone_sum), "else_branch": several.body(several_sum)}
    total = graph.node("If", "head.mean.total", ["alone"], **branches)
    column = graph.node("Unsqueeze", "lengths.column", ["lengths", tokens])  # (texts, 1)
    count = graph.node("Cast", "lengths.float", [column], to=TensorProto.FLOAT)
    return graph.node("Div", "head.mean", [total, count])
