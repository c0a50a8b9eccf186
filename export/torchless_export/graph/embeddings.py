"""Token ids to the first hidden states."""

from __future__ import annotations

import numpy as np

from torchless_export.spec import EncoderSpec

from .nodes import Graph
from .pointwise import norm
from .precision import Precision


def embed(graph: Graph, spec: EncoderSpec, precision: Precision) -> str:
    """Sum of a row of each table, norm, projection: float (1, tokens, dim)."""
    tables = spec.embeddings
    x = precision.table(graph, "embeddings.word", tables.word, "input_ids")
    if tables.token_type is not None:
        rows = graph.weight("embeddings.token_type", tables.token_type)
        types = graph.node("Gather", "embeddings.token_types", [rows, "type_ids"])
        x = graph.node("Add", "embeddings.typed", [x, types])
    if tables.position is not None:
        rows = graph.weight("embeddings.position", tables.position)
        positions = graph.node("Gather", "embeddings.positions", [rows, "position_ids"])
        x = graph.node("Add", "embeddings.sum", [x, positions])
    x = norm(graph, "embeddings.norm", x, tables.norm)
    x = graph.node("Unsqueeze", "embeddings.packed", [x, graph.constant("axis.texts", np.array([0]))])
    if tables.projection is None:
        return x
    site = "embeddings.input"
    return precision.linear(graph, "embeddings.projection", precision.enter(graph, site, x), site, tables.projection)
