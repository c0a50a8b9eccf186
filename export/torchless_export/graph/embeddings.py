"""Token ids to the first hidden states."""

from __future__ import annotations

import numpy as np

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
        positions = graph.node("Gather", "positions", [rows, "position_ids"])
        x = graph.node("Add", "sum", [x, positions])
    x = norm(graph, "norm", x, tables.norm)
    x = graph.node("Unsqueeze", "packed", [x, graph.shared.constant("axis.texts", np.array([0]))])
    if tables.projection is None:
        return x
    return graph.linear("projection", graph.enter("input", x), "input", tables.projection)
