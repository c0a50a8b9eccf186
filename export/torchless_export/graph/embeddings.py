"""Token ids to the first hidden states."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from .nodes import Graph
from .pointwise import norm


def embed(graph: Graph, ids: str) -> str:
    """Sum of a row of each table, norm, projection: int32 (tokens,) to float (1, tokens, hidden_size)."""
    tables = graph.spec.embeddings
    x = graph.table("word", tables.word, ids)
    if tables.token_type is not None:
        rows = graph.weight("token_type", tables.token_type)
        types = graph.node("Gather", "token_types", [rows, "type_ids"])
        x = graph.node("Add", "typed", [x, types])
    if tables.position is not None:
        rows = graph.weight("position", tables.position)
        places = "position_ids" if tables.uncounted is None else _counted(graph, ids, tables.uncounted)
        positions = graph.node("Gather", "positions", [rows, places])
        x = graph.node("Add", "sum", [x, positions])
    x = norm(graph, "norm", x, tables.norm)
    x = graph.node("Unsqueeze", "packed", [x, graph.shared.constant("axis.texts", np.array([0]))])
    if tables.projection is None:
        return x
    return graph.linear("projection", graph.enter("input", x), "input", tables.projection)


def _counted(graph: Graph, ids: str, uncounted: int) -> str:
    """Rows of a table that counts the tokens of a text from 1 on, but for one token, which has row 0: (tokens,)."""
    zero, one = (graph.constant(f"counted.{value}", np.array(value, np.int64)) for value in (0, 1))
    left_out = graph.node("Equal", "uncounted", [ids, graph.constant("uncounted.id", np.array(uncounted, np.int32))])
    counts = graph.node("Where", "counts", [left_out, zero, one])
    total = graph.node("CumSum", "counted", [counts, zero])  # over all texts of the batch
    if not graph.lone:
        before = graph.node("Sub", "counted.before", [total, counts])
        places = graph.node("Range", "places", [zero, graph.node("Size", "places.count", [ids]), one])
        positions = graph.node("Cast", "positions.int64", ["position_ids"], to=TensorProto.INT64)
        firsts = graph.node("Sub", "firsts", [places, positions])  # the place of each token's text
        total = graph.node("Sub", "counted.in_text", [total, graph.node("Gather", "counted.others", [before, firsts])])
    return graph.node("Mul", "counted.rows", [total, counts])
