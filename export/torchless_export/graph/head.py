"""Hidden states to logits."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from torchless_export.spec import Head

from .nodes import Graph
from .pointwise import activation, norm
from .rectangle import first_row, flat, rectangle


def classify(graph: Graph, head: Head, x: str, output: str) -> str:
    """Logits (texts, labels) from the first tokens' states (1, texts, hidden_size).

    For a head that takes the mean: from the states of all tokens (1, tokens, hidden_size). For one that answers for
    every token: logits (tokens, labels) from these.
    """
    x = _mean(graph, x) if head.pooling == "mean" else flat(graph, "first" if head.pooling == "first" else "every", x)
    if head.dense is not None:
        dense = graph.linear("dense", graph.enter("input", x), "input", head.dense)
        x = activation(graph, "active", dense, head.activation)
    if head.norm is not None:
        x = norm(graph, "norm", x, head.norm)
    # So few columns that quantising them would save little, and it would cost digits of the logits.
    weight, bias = graph.weight("out.weight", head.out.weight), graph.weight("out.bias", head.out.bias)
    return graph.shared.node("Gemm", output, [x, weight, bias])


def _mean(graph: Graph, x: str) -> str:
    """The mean of each text's rows: (1, tokens, hidden_size) to (texts, hidden_size).

    Summed in the attention core's rectangle, where what stands after a text has ended is zero, so that neighbours
    change nothing.
    """
    alone, several = graph.branch(), graph.branch()
    tokens = graph.shared.constant("axis.tokens", np.array([1]))
    alone_sum = alone.node("ReduceSum", "mean.alone", [x, tokens], keepdims=0)

    filled = several.node("Squeeze", "mean.filled", [first_row(several, "mean.mask"), tokens])
    filled = several.node("Transpose", "mean.kept", [filled], perm=[0, 2, 1])  # (texts, longest, 1)
    zero = graph.shared.constant("zero", np.array(0, np.float32))
    slots = rectangle(several, "mean.slots", x)
    kept = several.node("Where", "mean.masked", [filled, slots, zero])
    several_sum = several.node("ReduceSum", "mean.several", [kept, tokens], keepdims=0)

    total = graph.either("mean.total", (alone, alone_sum), (several, several_sum))
    column = graph.shared.node("Unsqueeze", "lengths.column", ["lengths", tokens])  # (texts, 1)
    count = graph.shared.node("Cast", "lengths.float", [column], to=TensorProto.FLOAT)
    return graph.node("Div", "mean", [total, count])
