"""A door of standard inputs before a lean graph: what other servers of ONNX classifiers send, unpadded on the way in.

`input_ids`, `attention_mask` and, where the model has token types, `token_type_ids`: int64 (texts, longest), padded on
either side. The lean graph behind the door stays as it is, int8 and all.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

_PACKED_IDS = "packed_input_ids"  # the lean graph's own input_ids, whose name the door needs
_TYPES = "type_ids"


def standard(packed: onnx.ModelProto) -> onnx.ModelProto:
    """Give a packed model padded inputs, and a headless one the output "last_hidden_state" (texts, longest, dim)."""
    model = onnx.ModelProto()
    model.CopyFrom(packed)
    graph = model.graph
    wanted = {node.name for node in graph.input}
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == "input_ids":
                node.input[place] = _PACKED_IDS
    door = _Door(typed=_TYPES in wanted)
    nodes = [*door.nodes, *graph.node]
    if graph.output[0].name == "hidden_states":
        dim = graph.output[0].type.tensor_type.shape.dim[1].dim_value
        nodes += door.padded_output("hidden_states", dim)
        del graph.output[:]
        graph.output.append(
            helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ("texts", "longest", dim))
        )
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    graph.input.extend(
        helper.make_tensor_value_info(name, TensorProto.INT64, ("texts", "longest")) for name in door.inputs
    )
    graph.initializer.extend(door.constants)
    return model


class _Door:
    """The nodes that turn padded inputs into packed ones, as docs/bundle.md describes those."""

    def __init__(self, *, typed: bool) -> None:
        self.inputs = ["input_ids", "attention_mask", *(["token_type_ids"] if typed else [])]
        self.nodes: list[onnx.NodeProto] = []
        self.constants = [
            onnx.numpy_helper.from_array(np.array(value, dtype), f"door.{name}")
            for name, value, dtype in (
                ("0", 0, np.int64),
                ("1", 1, np.int64),
                ("0.int32", 0, np.int32),
                ("1.int32", 1, np.int32),
                ("axis.0", [0], np.int64),
                ("axis.1", [1], np.int64),
                ("axes.heads", [1, 2], np.int64),
                ("flat", [-1], np.int64),
            )
        ]
        self._places(typed=typed)
        self._rectangle()

    def _node(self, op: str, name: str, *inputs: str, **attributes: int) -> None:
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"door/{name}", **attributes))

    def _places(self, *, typed: bool) -> None:
        """Which padded slots hold a token, and what is in them."""
        node = self._node
        node("Cast", "door.mask.bool", "attention_mask", to=TensorProto.BOOL)
        node("Cast", "door.mask", "door.mask.bool", to=TensorProto.INT64)  # whatever is not 0 counts once
        node("Reshape", "door.mask.flat", "door.mask", "door.flat")
        node("NonZero", "door.kept.row", "door.mask.flat")
        node("Squeeze", "door.kept", "door.kept.row", "door.axis.0")  # (tokens,): slot of each token
        node("Reshape", "door.ids.flat", "input_ids", "door.flat")
        node("Gather", "door.ids", "door.ids.flat", "door.kept")
        node("Cast", _PACKED_IDS, "door.ids", to=TensorProto.INT32)
        if typed:
            node("Reshape", "door.types.flat", "token_type_ids", "door.flat")
            node("Gather", "door.types", "door.types.flat", "door.kept")
            node("Cast", _TYPES, "door.types", to=TensorProto.INT32)
        node("CumSum", "door.counts", "door.mask", "door.1")
        node("Sub", "door.ranks", "door.counts", "door.1")
        node("Reshape", "door.ranks.flat", "door.ranks", "door.flat")
        node("Gather", "door.positions", "door.ranks.flat", "door.kept")
        node("Cast", "position_ids", "door.positions", to=TensorProto.INT32)

    def _rectangle(self) -> None:
        """Lengths, and the way into the attention core's rectangle and back."""
        node = self._node
        node("ReduceSum", "door.lengths", "door.mask", "door.axis.1", keepdims=0)
        node("CumSum", "door.ends", "door.lengths", "door.0")
        node("Sub", "door.first", "door.ends", "door.lengths")
        node("Cast", "lengths", "door.lengths", to=TensorProto.INT32)
        node("Cast", "first", "door.first", to=TensorProto.INT32)
        node("ReduceMax", "door.longest", "lengths", keepdims=0)
        node("Shape", "door.texts", "lengths")
        node("Equal", "door.alone", "door.texts", "door.axis.1")
        node("Squeeze", "alone", "door.alone", "door.axis.0")
        node("Range", "door.columns", "door.0.int32", "door.longest", "door.1.int32")
        node("Unsqueeze", "door.lengths.column", "lengths", "door.axis.1")
        node("Unsqueeze", "door.first.column", "first", "door.axis.1")
        node("Less", "door.filled", "door.columns", "door.lengths.column")  # (texts, longest)
        node("Add", "door.slots", "door.first.column", "door.columns")
        node("Where", "slots", "door.filled", "door.slots", "door.0.int32")
        node("Cast", "door.longest.int64", "door.longest", to=TensorProto.INT64)
        node("Unsqueeze", "door.width", "door.longest.int64", "door.axis.0")
        node("Concat", "door.square", "door.axis.1", "door.axis.1", "door.width", "door.axis.1", axis=0)
        node("Unsqueeze", "door.filled.rows", "door.filled", "door.axes.heads")
        node("Expand", "mask", "door.filled.rows", "door.square")  # (texts, 1, longest, longest)
        node("Shape", "door.padded", "attention_mask", start=1, end=2)
        node("Div", "door.text", "door.kept", "door.padded")  # (tokens,): which text a token is of
        node("Cast", "door.text.int32", "door.text", to=TensorProto.INT32)
        node("Mul", "door.row", "door.text.int32", "door.longest")
        node("Add", "rows", "door.row", "position_ids")

    def padded_output(self, packed: str, dim: int) -> list[onnx.NodeProto]:
        """Packed rows (tokens, dim) back into their padded slots, zero elsewhere."""
        start = len(self.nodes)
        self.constants.append(onnx.numpy_helper.from_array(np.array([dim], np.int64), "door.dim"))
        node = self._node
        node("Shape", "door.shape", "attention_mask")
        node("Shape", "door.slots.count", "door.mask.flat")
        node("Concat", "door.shape.flat", "door.slots.count", "door.dim", axis=0)
        node("ConstantOfShape", "door.empty", "door.shape.flat")
        node("Unsqueeze", "door.kept.column", "door.kept", "door.axis.1")
        node("ScatterND", "door.scattered", "door.empty", "door.kept.column", packed)
        node("Concat", "door.shape.padded", "door.shape", "door.dim", axis=0)
        node("Reshape", "last_hidden_state", "door.scattered", "door.shape.padded")
        added = self.nodes[start:]
        del self.nodes[start:]
        return added
