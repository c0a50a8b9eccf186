"""The one builder of lean graphs: an EncoderSpec and a precision in, an ONNX model out.

Tokens are packed: whatever works token by token works on (1, tokens, dim), and only the attention core sees a
(texts, longest, dim) rectangle. To a text that is alone the two are the same, so its branch moves nothing. With a
head, the last layer is computed for the first token of each text only, since nothing else reaches the head.

Both branches use one attention kernel, which gives a masked text and the same text alone equal answers to the bit
(docs/decisions/0003-batches.md); in int8 a last digit can tip a rounding.

docs/bundle.md describes the inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from .spec import EncoderSpec, Floats, Head, Layer, Linear, Norm
from .weights import WeightsFile

CONTRIB = "com.microsoft"
_OPSET, _IR_VERSION = 23, 11

_INPUTS: tuple[tuple[str, int, tuple[str | int, ...]], ...] = (
    ("input_ids", TensorProto.INT32, ("tokens",)),
    ("position_ids", TensorProto.INT32, ("tokens",)),
    ("first", TensorProto.INT32, ("texts",)),
    ("alone", TensorProto.BOOL, ()),
    ("slots", TensorProto.INT32, ("slot_texts", "longest")),
    ("rows", TensorProto.INT32, ("slot_tokens",)),
    ("mask", TensorProto.BOOL, ("slot_texts", 1, "longest", "longest")),
)


class Graph:
    """Nodes and constants as they are added; names tell where in the model a node stands."""

    def __init__(self, weights: WeightsFile) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._weights = weights
        self._tensors: dict[str, onnx.TensorProto] = {}

    def node(self, op: str, name: str, inputs: Sequence[str], *, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output, which carries the node's name."""
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def weight(self, name: str, array: NDArray[np.generic]) -> str:
        """A constant in the weights file, shared by every graph that names it."""
        if name not in self._tensors:
            self._tensors[name] = self._weights.add(name, array)
        return name

    def constant(self, name: str, array: NDArray[np.generic]) -> str:
        """A constant in the graph itself."""
        if name not in self._tensors:
            self._tensors[name] = onnx.numpy_helper.from_array(np.asarray(array), name)
        return name

    def branch(self) -> Graph:
        """A graph for one branch of an If: its own nodes, the same constants."""
        branch = Graph(self._weights)
        branch._tensors = self._tensors
        return branch

    def body(self, output: str) -> onnx.GraphProto:
        """The nodes as a branch with one output."""
        return helper.make_graph(
            self.nodes, output, [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
        )

    def model(self, output: str, shape: tuple[str | int, ...]) -> onnx.ModelProto:
        """The whole as a model with one output; inputs that nothing reads are left out."""
        read = {name for node in self._all_nodes() for name in node.input}
        inputs = [helper.make_tensor_value_info(*declared) for declared in _INPUTS if declared[0] in read]
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self.nodes, "torchless", inputs, outputs, list(self._tensors.values()))
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="torchless")

    def _all_nodes(self) -> list[onnx.NodeProto]:
        branches = [a.g for node in self.nodes for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
        return [*self.nodes, *(node for branch in branches for node in branch.node)]


class Precision(Protocol):
    """How numbers are kept: the one thing that differs between an fp32 and an int8 graph."""

    def table(self, graph: Graph, name: str, table: Floats, ids: str) -> str:
        """Rows of an embedding table: float (tokens, dim)."""

    def enter(self, graph: Graph, name: str, x: str) -> str:
        """Float activations to what `linear` multiplies. Called once for all products that share an input."""

    def linear(self, graph: Graph, name: str, x: str, site: str, linear: Linear) -> str:
        """X @ weight + bias: float (rows, out). `site` is the name that x entered under."""


def build(spec: EncoderSpec, precision: Precision, weights: WeightsFile, *, head: bool) -> onnx.ModelProto:
    """Write one graph; both graphs of a bundle put their tensors into the same `weights`.

    Returns:
        A model with the output "logits" (texts, labels) for `head`, else "hidden_states" (tokens, dim).
    """
    graph = Graph(weights)
    x = _embed(graph, spec, precision)
    for index, layer in enumerate(spec.layers):
        name = f"layers.{index}"
        first_only = head and index == len(spec.layers) - 1
        attended = _attention(graph, f"{name}.attention", layer, precision, x, spec, first_only=first_only)
        x = _feed_forward(graph, f"{name}.ffn", layer, precision, attended, spec)
    if not head:
        return graph.model(_flat(graph, "hidden_states", x, spec), ("tokens", spec.dim))
    assert spec.head is not None
    logits = _head(graph, spec.head, precision, _flat(graph, "head.first", x, spec))
    return graph.model(logits, ("texts", len(spec.head.out.bias)))


def _embed(graph: Graph, spec: EncoderSpec, precision: Precision) -> str:
    words = precision.table(graph, "embeddings.word", spec.embeddings.word, "input_ids")
    position = graph.weight("embeddings.position", spec.embeddings.position)
    positions = graph.node("Gather", "embeddings.positions", [position, "position_ids"])
    x = _add_norm(graph, "embeddings", words, positions, spec.embeddings.norm)
    return graph.node("Unsqueeze", "embeddings.packed", [x, graph.constant("axis.texts", np.array([0]))])


def _flat(graph: Graph, name: str, x: str, spec: EncoderSpec) -> str:
    """(1, rows, dim) to (rows, dim)."""
    return graph.node("Reshape", name, [x, graph.constant("shape.flat", np.array([-1, spec.dim]))])


def _attention(
    graph: Graph, name: str, layer: Layer, precision: Precision, x: str, spec: EncoderSpec, *, first_only: bool
) -> str:
    """norm(x + context(attention(query(x), key(x), value(x)))), for all tokens or each text's first."""
    site = f"{name}.input"
    entered = precision.enter(graph, site, x)
    queried, residual = entered, x
    if first_only:
        queried = graph.node("Gather", f"{site}.first", [entered, "first"], axis=1)  # (1, texts, dim)
        residual = queried if entered == x else graph.node("Gather", f"{name}.residual", [x, "first"], axis=1)
    query = precision.linear(graph, f"{name}.query", queried, site, layer.query)
    key = precision.linear(graph, f"{name}.key", entered, site, layer.key)
    value = precision.linear(graph, f"{name}.value", entered, site, layer.value)
    mixed = _attention_core(graph, name, query, key, value, spec, first_only=first_only)
    site = f"{name}.mixed"
    context = precision.linear(graph, f"{name}.context", precision.enter(graph, site, mixed), site, layer.context)
    return _add_norm(graph, name, context, residual, layer.attention_norm)


def _attention_core(
    graph: Graph, name: str, query: str, key: str, value: str, spec: EncoderSpec, *, first_only: bool
) -> str:
    """softmax(q kᵀ / √d) v per text and attention head: packed (1, rows, dim) in and out."""
    alone, several = graph.branch(), graph.branch()

    def attend(branch: Graph, kind: str, inputs: Sequence[str]) -> str:
        heads = spec.attention_heads
        return branch.node("Attention", f"{name}.{kind}", inputs, q_num_heads=heads, kv_num_heads=heads)

    def rectangle(packed: str) -> str:
        rows = several.node("Squeeze", f"{packed}.rows", [packed, graph.constant("axis.texts", np.array([0]))])
        return several.node("Gather", f"{packed}.slots", [rows, "slots"])  # (texts, longest, dim)

    if first_only:
        one_each = graph.constant("shape.one_each", np.array([-1, 1, spec.dim]))
        query_slots = several.node("Reshape", f"{query}.slots", [query, one_each])
        mask = several.node("Gather", f"{name}.mask", ["mask", graph.constant("row.first", np.array([0]))], axis=2)
    else:
        query_slots, mask = rectangle(query), "mask"
    attended = attend(several, "several", [query_slots, rectangle(key), rectangle(value), mask])
    packed = graph.constant("shape.packed", np.array([1, -1, spec.dim]))
    attended = several.node("Reshape", f"{name}.several.packed", [attended, packed])
    if not first_only:
        attended = several.node("Gather", f"{name}.several.rows", [attended, "rows"], axis=1)

    branches = {
        "then_branch": alone.body(attend(alone, "alone", [query, key, value])),
        "else_branch": several.body(attended),
    }
    return graph.node("If", f"{name}.core", ["alone"], **branches)


def _feed_forward(graph: Graph, name: str, layer: Layer, precision: Precision, x: str, spec: EncoderSpec) -> str:
    """norm(x + down(activation(up(x))))."""
    site = f"{name}.input"
    up = precision.linear(graph, f"{name}.up", precision.enter(graph, site, x), site, layer.up)
    active = _activation(graph, f"{name}.active", up, spec.activation)
    site = f"{name}.hidden"
    down = precision.linear(graph, f"{name}.down", precision.enter(graph, site, active), site, layer.down)
    return _add_norm(graph, name, down, x, layer.output_norm)


def _head(graph: Graph, head: Head, precision: Precision, x: str) -> str:
    site = "head.input"
    dense = precision.linear(graph, "head.dense", precision.enter(graph, site, x), site, head.dense)
    active = _activation(graph, "head.active", dense, head.activation)
    # A few columns: not worth quantising, and the logits deserve all their digits.
    weight, bias = graph.weight("head.out.weight", head.out.weight), graph.weight("head.out.bias", head.out.bias)
    return graph.node("Gemm", "logits", [active, weight, bias])


def _activation(graph: Graph, name: str, x: str, activation: str) -> str:
    # Gelu is the exact one, with erf. onnxruntime's contrib kernel is the fused one on CPU.
    return graph.node("Gelu", name, [x], domain=CONTRIB) if activation == "gelu" else graph.node("Relu", name, [x])


def _add_norm(graph: Graph, name: str, x: str, residual: str, norm: Norm) -> str:
    # Two nodes on purpose: the fused SkipLayerNormalization is 3 to 6 times slower on CPU.
    total = graph.node("Add", f"{name}.sum", [x, residual])
    scale = graph.weight(f"{name}.norm.scale", norm.scale)
    shift = graph.weight(f"{name}.norm.shift", norm.shift)
    return graph.node("LayerNormalization", f"{name}.norm", [total, scale, shift], axis=-1, epsilon=norm.epsilon)
