"""The attention part of a layer: projections on packed rows, scores in the rectangle."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from torchless_export.spec import Disentangled, EncoderSpec, Layer, Rotary

from .nodes import CONTRIB, Graph
from .pointwise import add_norm, norm
from .precision import Precision
from .rectangle import distances, first_row, one_each, packed, rectangle


def attention(
    graph: Graph, name: str, layer: Layer, precision: Precision, x: str, spec: EncoderSpec, *, first_only: bool
) -> str:
    """context(attention(query(x), key(x), value(x))), with its residual and norm, for all tokens or each text's first.

    Float (1, tokens, dim) in; (1, tokens, dim) or, for `first_only`, (1, texts, dim) out.
    """
    read = x
    if spec.norm_first and layer.attention_norm is not None:
        read = norm(graph, f"{name}.norm", x, layer.attention_norm)
    site = f"{name}.input"
    entered = precision.enter(graph, site, read)
    queried, residual = entered, x
    if first_only:
        queried = graph.node("Gather", f"{site}.first", [entered, "first"], axis=1)  # (1, texts, dim)
        residual = queried if entered == x else graph.node("Gather", f"{name}.residual", [x, "first"], axis=1)
    query = precision.linear(graph, f"{name}.query", queried, site, layer.query)
    key = precision.linear(graph, f"{name}.key", entered, site, layer.key)
    value = precision.linear(graph, f"{name}.value", entered, site, layer.value)
    if layer.rotary is not None:
        # The first token's position is 0, and a turn by 0 changes nothing.
        query = query if first_only else _turn(graph, f"{name}.query.turned", query, layer.rotary, spec)
        key = _turn(graph, f"{name}.key.turned", key, layer.rotary, spec)
    mixed = _core(graph, name, layer, query, key, value, spec, first_only=first_only)
    site = f"{name}.mixed"
    context = precision.linear(graph, f"{name}.context", precision.enter(graph, site, mixed), site, layer.context)
    return add_norm(graph, name, context, residual, None if spec.norm_first else layer.attention_norm)


def _core(
    graph: Graph, name: str, layer: Layer, query: str, key: str, value: str, spec: EncoderSpec, *, first_only: bool
) -> str:
    """softmax(q kᵀ / √d + bias) v per text and attention head: packed (1, rows, dim) in and out."""
    bias = _distance_bias(graph, layer.distance_bias, spec, first_only=first_only)
    buckets = _buckets(graph, spec, first_only=first_only) if layer.disentangled else ""

    def attend(branch: Graph, kind: str, q: str, k: str, v: str, mask: str) -> str:
        added = bias
        if layer.disentangled is not None:
            added = _disentangled(branch, name, kind, layer.disentangled, q, k, buckets, spec)
        if added and mask:
            lowest = branch.constant("lowest", np.array(np.finfo(branch.floats).min))
            added = branch.node("Where", f"{name}.{kind}.masked_bias", [mask, added, lowest])
        inputs = [q, k, v, *filter(None, [added or mask])]
        heads = spec.attention_heads
        return branch.node("Attention", f"{name}.{kind}", inputs, q_num_heads=heads, kv_num_heads=heads)

    alone, several = graph.branch(), graph.branch()
    alone_out = attend(alone, "alone", query, key, value, "")
    if first_only:
        rows, mask = one_each(several, f"{query}.slots", query, spec), first_row(several, f"{name}.mask")
    else:
        rows, mask = rectangle(several, f"{query}.slots", query, spec), "mask"
    keys, values = (rectangle(several, f"{tensor}.slots", tensor, spec) for tensor in (key, value))
    attended = attend(several, "several", rows, keys, values, mask)
    several_out = packed(several, f"{name}.several.packed", attended, spec)
    if not first_only:
        several_out = several.node("Gather", f"{name}.several.rows", [several_out, "rows"], axis=1)
    branches = {"then_branch": alone.body(alone_out), "else_branch": several.body(several_out)}
    return graph.node("If", f"{name}.core", ["alone"], **branches)


def _turn(graph: Graph, name: str, x: str, rotary: Rotary, spec: EncoderSpec) -> str:
    """Turn packed queries or keys (1, tokens, dim) by their position in the text."""
    cosine = graph.weight(f"{name}.cosine", rotary.cosine)
    sine = graph.weight(f"{name}.sine", rotary.sine)
    if not graph.has("position_ids.column"):
        wide = graph.node("Cast", "position_ids.int64", ["position_ids"], to=TensorProto.INT64)
        column = graph.constant("axis.columns", np.array([1]))
        graph.node("Unsqueeze", "position_ids.column", [wide, column])  # (tokens, 1)
    # To the kernel each token is a text of one token: then the table bounds positions, not the tokens of a batch.
    turned = graph.node(
        "RotaryEmbedding",
        f"{name}.rotated",
        [one_each(graph, f"{name}.apart", x, spec), "position_ids.column", cosine, sine],
        domain=CONTRIB,
        num_heads=spec.attention_heads,
    )
    return packed(graph, name, turned, spec)


def _distance_bias(graph: Graph, table: int | None, spec: EncoderSpec, *, first_only: bool) -> str | None:
    """Scores by distance: float (1, heads or 1, queries, longest), computed once for all layers that share a table."""
    if table is None:
        return None
    name = f"distance_bias.{table}{'.first' if first_only else ''}"
    if not graph.has(name):
        weight = graph.weight(f"distance_bias.{table}.table", spec.distance_biases[table])
        rows = graph.node("Gather", f"{name}.rows", [weight, distances(graph, spec, first_only=first_only)])
        by_head = graph.node("Transpose", f"{name}.by_head", [rows], perm=[2, 0, 1])  # (heads or 1, queries, longest)
        graph.node("Unsqueeze", name, [by_head, graph.constant("axis.rows", np.array([0]))])
    return name


def _buckets(graph: Graph, spec: EncoderSpec, *, first_only: bool) -> str:
    """The bucket of each pair's distance: int32 (queries, longest), computed once for all layers."""
    name = f"buckets{'.first' if first_only else ''}"
    if not graph.has(name):
        assert spec.distance_buckets is not None
        table = graph.weight("buckets.table", spec.distance_buckets)
        graph.node("Gather", name, [table, distances(graph, spec, first_only=first_only)])
        graph.node("Transpose", f"{name}.turned", [name], perm=[1, 0])
    return name


def _disentangled(
    branch: Graph, name: str, kind: str, table: Disentangled, query: str, key: str, buckets: str, spec: EncoderSpec
) -> str:
    """Content against position, both ways: float (texts, heads, queries, longest)."""
    found = []
    if table.key is not None:
        weight = branch.weight(f"{name}.position.key", table.key)
        found.append(_picked(branch, f"{name}.{kind}.content_to_position", query, weight, buckets, spec))
    if table.query is not None:
        weight = branch.weight(f"{name}.position.query", table.query)
        picked = _picked(branch, f"{name}.{kind}.by_key", key, weight, f"{buckets}.turned", spec)
        found.append(branch.node("Transpose", f"{name}.{kind}.position_to_content", [picked], perm=[0, 1, 3, 2]))
    return found[0] if len(found) == 1 else branch.node("Add", f"{name}.{kind}.bias", found)


def _picked(branch: Graph, name: str, content: str, table: str, buckets: str, spec: EncoderSpec) -> str:
    """Score each row of content against every bucket, and pick what buckets (rows, columns) names.

    Returns:
        Float (texts, heads, rows, columns).
    """
    heads = spec.attention_heads
    split = branch.constant("shape.heads", np.array([0, 0, heads, spec.dim // heads]))
    apart = branch.node("Reshape", f"{name}.apart", [content, split])
    by_head = branch.node("Transpose", f"{name}.by_head", [apart], perm=[0, 2, 1, 3])  # (texts, heads, rows, head dim)
    scores = branch.node("MatMul", f"{name}.scores", [by_head, table])  # (texts, heads, rows, buckets)
    outer = branch.node("Shape", f"{name}.outer", [scores], start=0, end=2)
    shape = branch.node("Concat", f"{name}.shape", [outer, branch.node("Shape", f"{name}.inner", [buckets])], axis=0)
    index = branch.node("Expand", f"{name}.index", [buckets, shape])
    return branch.node("GatherElements", f"{name}.picked", [scores, index], axis=3)
