"""A lean graph for one text alone: without branches, which CUDA graphs do not know, so that a GPU can replay it."""

from __future__ import annotations

import onnx


def lone(model: onnx.ModelProto) -> onnx.ModelProto:
    """Put what the graph does to a text alone in the place of each `If`."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes += _alone(node) if node.op_type == "If" else [node]
    read = {name for node in nodes for name in node.input}
    inputs = [declared for declared in model.graph.input if declared.name in read]
    constants = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del made.graph.node[:], made.graph.input[:], made.graph.initializer[:]
    made.graph.node.extend(nodes)
    made.graph.input.extend(inputs)
    made.graph.initializer.extend(constants)
    return made


def _alone(condition: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The nodes of the branch; the last one's output takes the `If`'s name."""
    (branch,) = (attribute.g for attribute in condition.attribute if attribute.name == "then_branch")
    *nodes, last = branch.node
    renamed = onnx.NodeProto()
    renamed.CopyFrom(last)
    renamed.output[0] = condition.output[0]
    return [*nodes, renamed]
