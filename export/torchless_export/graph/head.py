"""Hidden states to logits."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from torchless_export.spec import EncoderSpec, Head

from .nodes import Graph
from .pointwise import activation, norm
from .precision import Precision
from .rectangle import even_shape


def classify(graph: Graph, head: Head, precision: Precision, x: str, spec: EncoderSpec) -> str:
    """Logits (texts, labels) from the first tokens' states (texts, dim), or from all (tokens, dim) to be averaged."""
    if head.pooling == "mean":
        x = _mean(graph, x, spec)
    site = "head.input"
    dense = precision.linear(graph, "head.dense", precision.enter(graph, site, x), site, head.dense)
    active = activation(graph, "head.active", dense, head.activation)
    if head.norm is not None:
        active = norm(graph, "head.norm", active, head.norm)
    # A few columns: not worth quantising, and the logits deserve all their digits.
    weight, bias = graph.weight("head.out.weight", head.out.weight), graph.weight("head.out.bias", head.out.bias)
    return graph.node("Gemm", "logits", [active, weight, bias])


def _mean(graph: Graph, x: str, spec: EncoderSpec) -> str:
    """The mean of each text's rows: (tokens, dim) to (texts, dim).

    Summed in the attention core's rectangle, where what is added after a text has ended is zero, so that neighbours
    change nothing.
    """
    even, ragged = graph.branch(), graph.branch()
    axis = graph.constant("axis.tokens", np.array([1]))
    summed = even.node("Reshape", "head.mean.even", [x, even_shape(graph, spec)])
    even_sum = even.node("ReduceSum", "head.mean.even_sum", [summed, axis], keepdims=0)

    column = graph.node("Unsqueeze", "lengths.column", ["lengths", axis])  # (texts, 1)
    slots = ragged.node("Gather", "head.mean.slots", [x, "slots"])  # (texts, longest, dim)
    width = ragged.node("Gather", "head.mean.width", [ragged.node("Shape", "head.mean.shape", ["slots"]), axis])
    last = ragged.node(
        "Squeeze", "head.mean.last", [ragged.node("Cast", "head.mean.end", [width], to=TensorProto.INT32)]
    )
    places = ragged.node("Range", "head.mean.places", [_scalar(graph, 0), last, _scalar(graph, 1)])
    filled = ragged.node("Less", "head.mean.filled", [places, column])  # (texts, longest)
    kept = ragged.node("Unsqueeze", "head.mean.kept", [filled, graph.constant("axis.dim", np.array([2]))])
    zero = graph.constant("zero", np.array(0, np.float32))
    masked = ragged.node("Where", "head.mean.masked", [kept, slots, zero])
    ragged_sum = ragged.node("ReduceSum", "head.mean.ragged_sum", [masked, axis], keepdims=0)

    branches = {"then_branch": ragged.body(ragged_sum), "else_branch": even.body(even_sum)}
    total = graph.node("If", "head.mean.total", ["ragged"], **branches)
    count = graph.node("Cast", "lengths.float", [column], to=TensorProto.FLOAT)
    return graph.node("Div", "head.mean", [total, count])


def _scalar(graph: Graph, value: int) -> str:
    return graph.constant(f"int32.{value}", np.array(value, np.int32))
