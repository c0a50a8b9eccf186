"""A lean graph for one text alone: without branches, which CUDA graphs do not know, so that a GPU can replay it."""

from __future__ import annotations

import onnx
from onnx import helper

from .nodes import INPUTS


def lone(model: onnx.ModelProto) -> onnx.ModelProto:
    """Put what the graph does to a text alone in the place of each `If`."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    nodes: list[onnx.NodeProto] = []
    for node in made.graph.node:
        nodes += _alone(node) if node.op_type == "If" else [node]
    for node in nodes:
        for place, name in enumerate(node.input):
            if name == "places":  # 0 … longest - 1, which the GPU would have to ask the CPU for; alone, the positions
                node.input[place] = "position_ids"
    nodes = _read(nodes, model.graph.output[0].name)
    read = {name for node in nodes for name in node.input}
    inputs = [helper.make_tensor_value_info(*declared) for declared in INPUTS if declared[0] in read]
    constants = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del made.graph.node[:], made.graph.input[:], made.graph.initializer[:]
    made.graph.node.extend(nodes)
    made.graph.input.extend(inputs)
    made.graph.initializer.extend(constants)
    return made


def _read(nodes: list[onnx.NodeProto], output: str) -> list[onnx.NodeProto]:
    """Those that the output depends on."""
    wanted, kept = {output}, []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    return kept[::-1]


def _alone(condition: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The nodes of the branch; the last one's output takes the `If`'s name."""
    (branch,) = (attribute.g for attribute in condition.attribute if attribute.name == "then_branch")
    *nodes, last = branch.node
    renamed = onnx.NodeProto()
    renamed.CopyFrom(last)
    renamed.output[0] = condition.output[0]
    return [*nodes, renamed]
