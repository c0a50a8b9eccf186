"""An ONNX graph in the making: nodes, constants, branches, and the inputs that docs/bundle.md describes."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from torchless_export.spec import EncoderSpec, Floats, Linear
from torchless_export.weights import WeightsFile

CONTRIB = "com.microsoft"
_OPSET, _IR_VERSION = 23, 11

Input = tuple[str, int, tuple[str | int, ...]]  # name, type, shape
PACKED_INPUTS: tuple[Input, ...] = (
    ("input_ids", TensorProto.INT32, ("tokens",)),
    ("type_ids", TensorProto.INT32, ("tokens",)),
    ("position_ids", TensorProto.INT32, ("tokens",)),
    ("lengths", TensorProto.INT32, ("texts",)),
    ("first", TensorProto.INT32, ("texts",)),
    ("alone", TensorProto.BOOL, ()),
    ("slots", TensorProto.INT32, ("slot_texts", "longest")),
    ("rows", TensorProto.INT32, ("slot_tokens",)),
    ("mask", TensorProto.BOOL, ("slot_texts", 1, "longest", "longest")),
)


class NumberFormat(Protocol):
    """How numbers are kept and multiplied: the one thing that differs between the precisions of one model.

    torchless_export/precision/ has one file per format. Names are whole, as they stand in the graph.
    """

    floats: np.dtype[np.floating]  # of whatever is neither quantised nor the head

    def table(self, graph: Graph, name: str, table: Floats, ids: str) -> str:
        """Rows of an embedding table: float (tokens, hidden_size)."""

    def enter(self, graph: Graph, name: str, x: str) -> str:
        """Float activations to what `linear` multiplies. Called once for all products that share an input."""

    def linear(self, graph: Graph, name: str, x: str, site: str, linear: Linear) -> str:
        """X @ weight + bias: float (rows, out). `site` is the name that x entered under."""


class Graph:
    """Nodes and constants as they are added, in one scope: the part of the model that names are relative to.

    Attributes:
        spec: the model that is written.
        prefix: what names begin with in this scope.
        floats: what numbers are computed in; float constants are kept in it.
        lone: whether the graph is for one text alone: `either` then writes no branches.
        nodes: in the order they run in.
    """

    def __init__(self, spec: EncoderSpec, numbers: NumberFormat, weights: WeightsFile, *, lone: bool = False) -> None:
        self.spec = spec
        self.floats = np.dtype(numbers.floats)
        self.lone = lone
        self.nodes: list[onnx.NodeProto] = []
        self._numbers = numbers
        self._weights = weights
        self._tensors: dict[str, onnx.TensorProto] = {}
        self.prefix = ""

    def scope(self, name: str) -> Graph:
        """The same graph; names are relative to this part of the model."""
        scoped = copy(self)
        scoped.prefix = f"{name}." if name else ""
        return scoped

    @property
    def shared(self) -> Graph:
        """The same graph, outside of every scope: for whole names, and for what several parts of the model use."""
        return self.scope("")

    def node(self, op: str, name: str, inputs: Sequence[str], *, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; both are called by the whole name, which is returned."""
        name = self.prefix + name
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def has(self, name: str) -> bool:
        """Whether a node of that name is there already."""
        return any(node.name == self.prefix + name for node in self.nodes)

    def weight(self, name: str, array: NDArray[np.generic]) -> str:
        """A constant in the weights file, shared by every graph that names it."""
        name = self.prefix + name
        if name not in self._tensors:
            self._tensors[name] = self._weights.add(name, self._kept(array))
        return name

    def constant(self, name: str, array: NDArray[np.generic]) -> str:
        """A constant in the graph itself."""
        name = self.prefix + name
        if name not in self._tensors:
            self._tensors[name] = onnx.numpy_helper.from_array(self._kept(array), name)
        return name

    def table(self, name: str, table: Floats, ids: str) -> str:
        """Rows of an embedding table, in the graph's number format: float (tokens, hidden_size)."""
        return self._numbers.table(self.shared, self.prefix + name, table, ids)

    def enter(self, name: str, x: str) -> str:
        """Float activations to what `linear` multiplies. Called once for all products that share an input."""
        return self._numbers.enter(self.shared, self.prefix + name, x)

    def linear(self, name: str, x: str, site: str, linear: Linear) -> str:
        """X @ weight + bias: float (rows, out). `site` is the name that x entered under."""
        return self._numbers.linear(self.shared, self.prefix + name, x, self.prefix + site, linear)

    def widen(self, name: str, x: str) -> str:
        """Go on in float32, from x on, because float16 has too few digits for an answer."""
        if self.floats == np.float32:
            return x
        self.floats = np.dtype(np.float32)
        return self.node("Cast", name, [x], to=TensorProto.FLOAT)

    def branch(self) -> Graph:
        """A graph for one branch of `either`: its own nodes, the same constants."""
        branch = copy(self)
        branch.nodes = []
        return branch

    def either(self, name: str, alone: tuple[Graph, str], several: tuple[Graph, str]) -> str:
        """One branch and its output for a text alone, another for several texts; a lone graph has the first inline."""
        if not self.lone:
            branches = {"then_branch": _body(*alone), "else_branch": _body(*several)}
            return self.node("If", name, ["alone"], **branches)
        nodes, output = alone[0].nodes, self.prefix + name
        assert nodes[-1].output[0] == alone[1], "a branch ends in its output"
        nodes[-1].output[0] = output
        self.nodes += nodes
        return output

    def model(
        self, output: str, shape: tuple[str | int, ...], inputs: Sequence[Input] = PACKED_INPUTS
    ) -> onnx.ModelProto:
        """The whole as a model with one output; inputs that nothing reads are left out."""
        read = {name for node in self._all_nodes() for name in node.input}
        declared = [helper.make_tensor_value_info(*each) for each in inputs if each[0] in read]
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
        # The branches that a lone graph does not have leave their constants behind.
        constants = [tensor for name, tensor in self._tensors.items() if name in read or not self.lone]
        graph = helper.make_graph(self.nodes, "torchless", declared, outputs, constants)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="torchless")

    def _kept(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        array = np.asarray(array)
        if array.dtype.kind != "f" or array.dtype == self.floats:
            return array
        # A bias of float32's lowest value means "never", and so does float16's lowest value.
        widest = np.finfo(self.floats).max
        return array.clip(-widest, widest).astype(self.floats)

    def _all_nodes(self) -> list[onnx.NodeProto]:
        branches = [a.g for node in self.nodes for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
        return [*self.nodes, *(node for branch in branches for node in branch.node)]


def _body(graph: Graph, output: str) -> onnx.GraphProto:
    """The nodes of a branch, with one output."""
    kind = helper.np_dtype_to_tensor_dtype(graph.floats)
    return helper.make_graph(graph.nodes, output, [], [helper.make_tensor_value_info(output, kind, None)])
