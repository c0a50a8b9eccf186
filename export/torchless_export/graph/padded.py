"""A packed graph behind a door of padded inputs: what other servers of ONNX classifiers send.

`input_ids`, `attention_mask` and, where the model has token types, `token_type_ids`: int64 (texts, longest), padded on
either side. The door removes the padding, and the packed graph behind it stays as it is, int8 and all.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from .nodes import Graph, Input

# The packed graph's token ids and the logits of its tokens, whose usual names the door needs.
PACKED_IDS, PACKED_LOGITS = "packed_input_ids", "packed_logits"
_TYPES = "type_ids"
_INPUTS: tuple[Input, ...] = tuple(
    (name, TensorProto.INT64, ("texts", "longest")) for name in ("input_ids", "attention_mask", "token_type_ids")
)
_CONSTANTS = (
    ("0", 0, np.int64),
    ("1", 1, np.int64),
    ("0.int32", 0, np.int32),
    ("1.int32", 1, np.int32),
    ("axis.0", [0], np.int64),
    ("axis.1", [1], np.int64),
    ("axes.heads", [1, 2], np.int64),
    ("flat", [-1], np.int64),
)


def model(graph: Graph, output: str, shape: tuple[str | int, ...]) -> onnx.ModelProto:
    """A packed graph with the door before it; what it answers for each token is padded again behind it.

    Args:
        graph: complete, reading its token ids from PACKED_IDS.
        output: its output: "logits" of texts; of tokens PACKED_LOGITS or "hidden_states".
        shape: of the output.
    """
    door, behind = graph.branch(), graph.branch()
    for name, value, dtype in _CONSTANTS:
        door.constant(f"door.{name}", np.array(value, dtype))
    typed = any(_TYPES in node.input for node in graph.nodes)
    _places(door, typed=typed)
    _rectangle(door)
    if shape[0] == "tokens":
        name, columns = "logits" if output == PACKED_LOGITS else "last_hidden_state", shape[1]
        output, shape = _padded(behind, output, name, columns), ("texts", "longest", columns)
    for node in (*door.nodes, *behind.nodes):
        node.name = f"door/{node.name}"
        node.ClearField("domain")  # as in the bundles of earlier versions, to the byte
    graph.nodes[:] = [*door.nodes, *graph.nodes, *behind.nodes]
    return graph.model(output, shape, _INPUTS)


def _places(door: Graph, *, typed: bool) -> None:
    """Which padded slots hold a token, and what is in them."""
    node = door.node
    node("Cast", "door.mask.bool", ["attention_mask"], to=TensorProto.BOOL)
    node("Cast", "door.mask", ["door.mask.bool"], to=TensorProto.INT64)  # whatever is not 0 counts once
    node("Reshape", "door.mask.flat", ["door.mask", "door.flat"])
    node("NonZero", "door.kept.row", ["door.mask.flat"])
    node("Squeeze", "door.kept", ["door.kept.row", "door.axis.0"])  # (tokens,): slot of each token
    node("Reshape", "door.ids.flat", ["input_ids", "door.flat"])
    node("Gather", "door.ids", ["door.ids.flat", "door.kept"])
    node("Cast", PACKED_IDS, ["door.ids"], to=TensorProto.INT32)
    if typed:
        node("Reshape", "door.types.flat", ["token_type_ids", "door.flat"])
        node("Gather", "door.types", ["door.types.flat", "door.kept"])
        node("Cast", _TYPES, ["door.types"], to=TensorProto.INT32)
    node("CumSum", "door.counts", ["door.mask", "door.1"])
    node("Sub", "door.ranks", ["door.counts", "door.1"])
    node("Reshape", "door.ranks.flat", ["door.ranks", "door.flat"])
    node("Gather", "door.positions", ["door.ranks.flat", "door.kept"])
    node("Cast", "position_ids", ["door.positions"], to=TensorProto.INT32)


def _rectangle(door: Graph) -> None:
    """Lengths, and the way into the attention core's rectangle and back."""
    node = door.node
    node("ReduceSum", "door.lengths", ["door.mask", "door.axis.1"], keepdims=0)
    node("CumSum", "door.ends", ["door.lengths", "door.0"])
    node("Sub", "door.first", ["door.ends", "door.lengths"])
    node("Cast", "lengths", ["door.lengths"], to=TensorProto.INT32)
    node("Cast", "first", ["door.first"], to=TensorProto.INT32)
    node("ReduceMax", "door.longest", ["lengths"], keepdims=0)
    node("Shape", "door.texts", ["lengths"])
    node("Equal", "door.alone", ["door.texts", "door.axis.1"])
    node("Squeeze", "alone", ["door.alone", "door.axis.0"])
    node("Range", "door.columns", ["door.0.int32", "door.longest", "door.1.int32"])
    node("Unsqueeze", "door.lengths.column", ["lengths", "door.axis.1"])
    node("Unsqueeze", "door.first.column", ["first", "door.axis.1"])
    node("Less", "door.filled", ["door.columns", "door.lengths.column"])  # (texts, longest)
    node("Add", "door.slots", ["door.first.column", "door.columns"])
    node("Where", "slots", ["door.filled", "door.slots", "door.0.int32"])
    node("Cast", "door.longest.int64", ["door.longest"], to=TensorProto.INT64)
    node("Unsqueeze", "door.width", ["door.longest.int64", "door.axis.0"])
    node("Concat", "door.square", ["door.axis.1", "door.axis.1", "door.width", "door.axis.1"], axis=0)
    node("Unsqueeze", "door.filled.rows", ["door.filled", "door.axes.heads"])
    node("Expand", "mask", ["door.filled.rows", "door.square"])  # (texts, 1, longest, longest)
    node("Shape", "door.padded", ["attention_mask"], start=1, end=2)
    node("Div", "door.text", ["door.kept", "door.padded"])  # (tokens,): which text a token is of
    node("Cast", "door.text.int32", ["door.text"], to=TensorProto.INT32)
    node("Mul", "door.row", ["door.text.int32", "door.longest"])
    node("Add", "rows", ["door.row", "position_ids"])


def _padded(behind: Graph, packed: str, name: str, columns: str | int) -> str:
    """Packed rows (tokens, columns) back in their padded slots (texts, longest, columns), zero elsewhere."""
    behind.constant("door.dim", np.array([columns], np.int64))
    node = behind.node
    node("Shape", "door.shape", ["attention_mask"])
    node("Shape", "door.slots.count", ["door.mask.flat"])
    node("Concat", "door.shape.flat", ["door.slots.count", "door.dim"], axis=0)
    node("ConstantOfShape", "door.empty", ["door.shape.flat"])
    node("Unsqueeze", "door.kept.column", ["door.kept", "door.axis.1"])
    node("ScatterND", "door.scattered", ["door.empty", "door.kept.column", packed])
    node("Concat", "door.shape.padded", ["door.shape", "door.dim"], axis=0)
    return node("Reshape", name, ["door.scattered", "door.shape.padded"])
