"""An ONNX graph in the making: nodes, constants, branches, and the inputs that docs/bundle.md describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray
from onnx import TensorProto, helper

from torchless_export.weights import WeightsFile

CONTRIB = "com.microsoft"
_OPSET, _IR_VERSION = 23, 11

INPUTS: tuple[tuple[str, int, tuple[str | int, ...]], ...] = (
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


class Graph:
    """Nodes and constants as they are added; names tell where in the model a node stands.

    Attributes:
        floats: what numbers are computed in; float constants are kept in it.
    """

    def __init__(self, weights: WeightsFile, floats: DTypeLike) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.floats = np.dtype(floats)
        self._weights = weights
        self._tensors: dict[str, onnx.TensorProto] = {}

    def node(self, op: str, name: str, inputs: Sequence[str], *, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output, which carries the node's name."""
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def has(self, name: str) -> bool:
        """Whether a node of that name is there already."""
        return any(node.name == name for node in self.nodes)

    def weight(self, name: str, array: NDArray[np.generic]) -> str:
        """A constant in the weights file, shared by every graph that names it."""
        if name not in self._tensors:
            self._tensors[name] = self._weights.add(name, self._kept(array))
        return name

    def constant(self, name: str, array: NDArray[np.generic]) -> str:
        """A constant in the graph itself."""
        if name not in self._tensors:
            self._tensors[name] = onnx.numpy_helper.from_array(self._kept(array), name)
        return name

    def widen(self, name: str, x: str) -> str:
        """Go on in float32, from x on: an answer deserves more digits than float16 has."""
        if self.floats == np.float32:
            return x
        self.floats = np.dtype(np.float32)
        return self.node("Cast", name, [x], to=TensorProto.FLOAT)

    def branch(self) -> Graph:
        """A graph for one branch of an If: its own nodes, the same constants."""
        branch = Graph(self._weights, self.floats)
        branch._tensors = self._tensors
        return branch

    def body(self, output: str) -> onnx.GraphProto:
        """The nodes as a branch with one output."""
        kind = helper.np_dtype_to_tensor_dtype(self.floats)
        return helper.make_graph(self.nodes, output, [], [helper.make_tensor_value_info(output, kind, None)])

    def model(self, output: str, shape: tuple[str | int, ...]) -> onnx.ModelProto:
        """The whole as a model with one output; inputs that nothing reads are left out."""
        read = {name for node in self._all_nodes() for name in node.input}
        inputs = [helper.make_tensor_value_info(*declared) for declared in INPUTS if declared[0] in read]
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self.nodes, "torchless", inputs, outputs, list(self._tensors.values()))
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="torchless")

    def _kept(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        array = np.asarray(array)
        if array.dtype.kind != "f" or array.dtype == self.floats:
            return array
        widest = np.finfo(self.floats).max  # a bias of float32's lowest means "never", which float16's lowest does too
        return array.clip(-widest, widest).astype(self.floats)

    def _all_nodes(self) -> list[onnx.NodeProto]:
        branches = [a.g for node in self.nodes for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
        return [*self.nodes, *(node for branch in branches for node in branch.node)]
