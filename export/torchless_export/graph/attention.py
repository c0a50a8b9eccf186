"""The attention part of a layer: projections on packed rows, scores in the rectangle."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from torchless_export.spec import Disentangled, Layer, Rotary

from .nodes import CONTRIB, Graph
from .pointwise import add_norm, norm
from .rectangle import distances, first_row, one_each, packed, rectangle


def attention(graph: Graph, layer: Layer, x: str, *, first_only: bool) -> str:
    """context(attention(query(x), key(x), value(x))), with its residual and norm, for all tokens or each text's first.

    Float (1, tokens, hidden_size) in; (1, tokens, hidden_size) or, for `first_only`, (1, texts, hidden_size) out.
    """
    norm_first, read = graph.spec.norm_first, x
    if norm_first and layer.attention_norm is not None:
        read = norm(graph, "norm", x, layer.attention_norm)
    entered = graph.enter("input", read)
    queried, residual = entered, x
    if first_only:
        queried = graph.node("Gather", "input.first", [entered, "first"], axis=1)  # (1, texts, hidden_size)
        residual = queried if entered == x else graph.node("Gather", "residual", [x, "first"], axis=1)
    query = graph.linear("query", queried, "input", layer.query)
    key = graph.linear("key", entered, "input", layer.key)
    value = graph.linear("value", entered, "input", layer.value)
    if layer.rotary is not None:
        # The first token's position is 0, and a turn by 0 changes nothing.
        query = query if first_only else _turn(graph, "query.turned", query, layer.rotary)
        key = _turn(graph, "key.turned", key, layer.rotary)
    mixed = _core(graph, layer, query, key, value, first_only=first_only)
    context = graph.linear("context", graph.enter("mixed", mixed), "mixed", layer.context)
    return add_norm(graph, context, residual, None if norm_first else layer.attention_norm)


def _core(graph: Graph, layer: Layer, query: str, key: str, value: str, *, first_only: bool) -> str:
    """softmax(q kᵀ / √d + bias) v per text and attention head: packed (1, rows, hidden_size) in and out."""
    bias = _distance_bias(graph, layer.distance_bias, first_only=first_only)
    buckets = _buckets(graph, layer.disentangled, first_only=first_only) if layer.disentangled else ""

    def attend(branch: Graph, kind: str, q: str, k: str, v: str, mask: str) -> str:
        added = bias
        if layer.disentangled is not None:
            added = _disentangled(branch, kind, layer.disentangled, q, k, buckets)
        if added and mask:
            lowest = branch.shared.constant("lowest", np.array(np.finfo(branch.floats).min))
            added = branch.node("Where", f"{kind}.masked_bias", [mask, added, lowest])
        inputs, heads = [q, k, v, *filter(None, [added or mask])], graph.spec.attention_heads
        return branch.node("Attention", kind, inputs, q_num_heads=heads, kv_num_heads=heads)

    alone, several = graph.branch(), graph.branch()
    alone_out = attend(alone, "alone", query, key, value, "")
    if first_only:
        rows, mask = one_each(several.shared, f"{query}.slots", query), first_row(several, "mask")
    else:
        rows, mask = rectangle(several.shared, f"{query}.slots", query), "mask"
    keys, values = (rectangle(several.shared, f"{tensor}.slots", tensor) for tensor in (key, value))
    attended = attend(several, "several", rows, keys, values, mask)
    several_out = packed(several, "several.packed", attended)
    if not first_only:
        several_out = several.node("Gather", "several.rows", [several_out, "rows"], axis=1)
    return graph.either("core", (alone, alone_out), (several, several_out))


def _turn(graph: Graph, name: str, x: str, rotary: Rotary) -> str:
    """Turn packed queries or keys (1, tokens, hidden_size) by their position in the text."""
    cosine = graph.weight(f"{name}.cosine", rotary.cosine)
    sine = graph.weight(f"{name}.sine", rotary.sine)
    shared = graph.shared
    if not shared.has("position_ids.column"):
        wide = shared.node("Cast", "position_ids.int64", ["position_ids"], to=TensorProto.INT64)
        column = shared.constant("axis.columns", np.array([1]))
        shared.node("Unsqueeze", "position_ids.column", [wide, column])  # (tokens, 1)
    # To the kernel each token is a text of one token: then the table bounds positions, not the tokens of a batch.
    turned = graph.node(
        "RotaryEmbedding",
        f"{name}.rotated",
        [one_each(graph, f"{name}.apart", x), "position_ids.column", cosine, sine],
        domain=CONTRIB,
        num_heads=graph.spec.attention_heads,
    )
    return packed(graph, name, turned)


def _distance_bias(graph: Graph, table: int | None, *, first_only: bool) -> str | None:
    """Scores by distance: float (1, heads or 1, queries, longest), computed once for all layers that share a table."""
    if table is None:
        return None
    graph, name = graph.shared, f"distance_bias.{table}{'.first' if first_only else ''}"
    if not graph.has(name):
        weight = graph.weight(f"distance_bias.{table}.table", graph.spec.distance_biases[table])
        rows = graph.node("Gather", f"{name}.rows", [weight, distances(graph, first_only=first_only)])
        by_head = graph.node("Transpose", f"{name}.by_head", [rows], perm=[2, 0, 1])  # (heads or 1, queries, longest)
        graph.node("Unsqueeze", name, [by_head, graph.constant("axis.rows", np.array([0]))])
    return name


def _buckets(graph: Graph, table: Disentangled, *, first_only: bool) -> str:
    """The bucket of each pair's distance: int32 (queries, longest), computed once for all layers."""
    graph, name = graph.shared, f"buckets{'.first' if first_only else ''}"
    if not graph.has(name):
        assert graph.spec.distance_buckets is not None
        rows = graph.weight("buckets.table", graph.spec.distance_buckets)
        graph.node("Gather", name, [rows, distances(graph, first_only=first_only)])
        # Other layouts have it even where nothing reads it, so that a bundle made again is the same to the byte.
        if table.query is not None or not graph.lone:
            graph.node("Transpose", f"{name}.turned", [name], perm=[1, 0])
    return name


def _disentangled(graph: Graph, kind: str, table: Disentangled, query: str, key: str, buckets: str) -> str:
    """Content against position, both ways: float (texts, heads, queries, longest)."""
    found = []
    if table.key is not None:
        weight = graph.weight("position.key", table.key)
        found.append(_picked(graph, f"{kind}.content_to_position", query, weight, buckets))
    if table.query is not None:
        weight = graph.weight("position.query", table.query)
        picked = _picked(graph, f"{kind}.by_key", key, weight, f"{buckets}.turned")
        found.append(graph.node("Transpose", f"{kind}.position_to_content", [picked], perm=[0, 1, 3, 2]))
    return found[0] if len(found) == 1 else graph.node("Add", f"{kind}.bias", found)


def _picked(graph: Graph, name: str, content: str, table: str, buckets: str) -> str:
    """Score each row of content against every bucket, and pick what buckets (rows, columns) names.

    Returns:
        Float (texts, heads, rows, columns).
    """
    heads = graph.spec.attention_heads
    split = graph.shared.constant("shape.heads", np.array([0, 0, heads, graph.spec.hidden_size // heads]))
    apart = graph.node("Reshape", f"{name}.apart", [content, split])
    by_head = graph.node("Transpose", f"{name}.by_head", [apart], perm=[0, 2, 1, 3])  # (texts, heads, rows, head size)
    scores = graph.node("MatMul", f"{name}.scores", [by_head, table])  # (texts, heads, rows, buckets)
    outer = graph.node("Shape", f"{name}.outer", [scores], start=0, end=2)
    shape = graph.node("Concat", f"{name}.shape", [outer, graph.node("Shape", f"{name}.inner", [buckets])], axis=0)
    index = graph.node("Expand", f"{name}.index", [buckets, shape])
    return graph.node("GatherElements", f"{name}.picked", [scores, index], axis=3)
