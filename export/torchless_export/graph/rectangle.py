"""The (texts, longest) rectangle that attention works in, and distances within it."""

from __future__ import annotations

import numpy as np

from .nodes import Graph


def flat(graph: Graph, name: str, x: str) -> str:
    """(1, rows, hidden_size) to (rows, hidden_size)."""
    return _reshaped(graph, name, x, "flat", [-1, graph.spec.hidden_size])


def packed(graph: Graph, name: str, x: str) -> str:
    """Any shape of rows to (1, rows, hidden_size)."""
    return _reshaped(graph, name, x, "packed", [1, -1, graph.spec.hidden_size])


def one_each(graph: Graph, name: str, x: str) -> str:
    """(1, rows, hidden_size) to (rows, 1, hidden_size)."""
    return _reshaped(graph, name, x, "one_each", [-1, 1, graph.spec.hidden_size])


def _reshaped(graph: Graph, name: str, x: str, kind: str, shape: list[int]) -> str:
    return graph.node("Reshape", name, [x, graph.shared.constant(f"shape.{kind}", np.array(shape))])


def rectangle(graph: Graph, name: str, x: str) -> str:
    """Packed rows (1, tokens, hidden_size) to their slots (texts, longest, hidden_size).

    What fills the other slots means nothing.
    """
    return graph.node("Gather", name, [flat(graph, f"{name}.rows", x), "slots"])


def first_row(graph: Graph, name: str) -> str:
    """The mask of a text's first token: bool (texts, 1, 1, longest)."""
    return graph.node("Gather", name, ["mask", graph.shared.constant("row.first", np.array([0]))], axis=2)


def distances(graph: Graph, *, first_only: bool) -> str:
    """Rows of a table by distance: int32 (longest, longest), or (1, longest) for the first token's query alone.

    Element (i, j) is j - i + max_positions - 1, so that the smallest distance has row 0.
    """
    graph = graph.shared
    name = "distances.first" if first_only else "distances"
    if not graph.has(name):
        places = _places(graph)
        offset = graph.constant("distances.zero", np.array(graph.spec.max_positions - 1, np.int32))
        rows = graph.constant("axis.rows", np.array([0]))
        if first_only:
            shifted = graph.node("Add", "distances.first.shifted", [places, offset])
            return graph.node("Unsqueeze", name, [shifted, rows])
        shifted = graph.node("Add", "distances.shifted", [places, offset])
        column = graph.node("Unsqueeze", "places.column", [places, graph.constant("axis.columns", np.array([1]))])
        graph.node("Sub", name, [shifted, column])
    return name


def _places(graph: Graph) -> str:
    """0 … longest - 1: int32 (longest,). For one text alone the positions are the same numbers."""
    if graph.lone:
        return "position_ids"
    if not graph.has("places"):
        longest = graph.node("ReduceMax", "longest", ["lengths"], keepdims=0)
        start, step = (graph.constant(f"int32.{value}", np.array(value, np.int32)) for value in (0, 1))
        graph.node("Range", "places", [start, longest, step])
    return "places"
