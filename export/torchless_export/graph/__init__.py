"""The one builder of graphs: an EncoderSpec and a number format in, an ONNX model out.

Tokens are packed: whatever works token by token works on (1, tokens, hidden_size), and only the attention core sees a
(texts, longest, hidden_size) rectangle. For a text that is alone the two are the same, so its branch moves nothing.
With a head that reads each text's first token, the last layer is computed for that token only, since nothing else
reaches the head. A head that answers for every token reads all of them.

Both branches use one attention kernel, which gives a masked text and the same text alone equal answers to the bit
(docs/decisions/0003-batches.md); in int8 a last digit can tip a rounding.

docs/bundle.md describes the inputs and outputs.
"""

from __future__ import annotations

from typing import Literal

import onnx

from torchless_export.spec import EncoderSpec
from torchless_export.weights import WeightsFile

from . import padded
from .attention import attention
from .embeddings import embed
from .feed_forward import feed_forward
from .head import classify
from .nodes import CONTRIB, Graph, NumberFormat
from .pointwise import norm
from .rectangle import flat

__all__ = ["CONTRIB", "Graph", "Layout", "NumberFormat", "build"]

# "lone" graphs are packed ones for one text alone: without branches, which CUDA graphs do not know.
Layout = Literal["packed", "padded", "lone"]


def build(
    spec: EncoderSpec,
    numbers: NumberFormat,
    weights: WeightsFile,
    *,
    head: bool,
    layout: Layout = "packed",
    first_only: bool = True,
) -> onnx.ModelProto:
    """Write one graph; all graphs of a variant put their tensors into the same `weights`.

    Args:
        spec: the model.
        numbers: how numbers are kept and multiplied.
        weights: takes the tensors that the graphs share.
        head: write the head too.
        layout: how the graph takes tokens.
        first_only: compute the last layer for each text's first token alone where the head reads no other.

    Returns:
        A model with the output "logits" for `head`: (texts, labels), or (tokens, labels) where the head answers for
        every token. Without it "hidden_states" (tokens, hidden_size). Where the layout is padded, tokens are (texts,
        longest), and the hidden states are called "last_hidden_state".
    """
    graph = Graph(spec, numbers, weights, lone=layout == "lone")
    x = embed(graph.scope("embeddings"), padded.PACKED_IDS if layout == "padded" else "input_ids")
    reads_first = head and spec.head is not None and spec.head.pooling == "first" and first_only
    for index, layer in enumerate(spec.layers):
        last = index == len(spec.layers) - 1
        attended = attention(graph.scope(f"layers.{index}.attention"), layer, x, first_only=reads_first and last)
        x = feed_forward(graph.scope(f"layers.{index}.ffn"), layer, attended)
    if spec.final_norm is not None:
        x = norm(graph, "final.norm", x, spec.final_norm)
    x = graph.widen("answer", x)
    output: str
    shape: tuple[str | int, ...]
    if head:
        assert spec.head is not None
        if spec.head.pooling == "first" and not reads_first:
            x = graph.node("Gather", "first.rows", [x, "first"], axis=1)
        tokens = spec.head.pooling == "none"
        name = padded.PACKED_LOGITS if tokens and layout == "padded" else "logits"
        output = classify(graph.scope("head"), spec.head, x, name)
        shape = ("tokens" if tokens else "texts", len(spec.head.out.bias))
    else:
        output, shape = flat(graph, "hidden_states", x), ("tokens", spec.hidden_size)
    return padded.model(graph, output, shape) if layout == "padded" else graph.model(output, shape)
