"""The one builder of lean graphs: an EncoderSpec and a precision in, an ONNX model out.

Tokens are packed: whatever works token by token works on (1, tokens, dim), and only the attention core sees a
(texts, longest, dim) rectangle. To a text that is alone the two are the same, so its branch moves nothing. With a
head that reads each text's first token, the last layer is computed for that token only, since nothing else reaches
the head.

Both branches use one attention kernel, which gives a masked text and the same text alone equal answers to the bit
(docs/decisions/0003-batches.md); in int8 a last digit can tip a rounding.

docs/bundle.md describes the inputs and outputs.
"""

from __future__ import annotations

import onnx

from torchless_export.spec import EncoderSpec
from torchless_export.weights import WeightsFile

from .attention import attention
from .embeddings import embed
from .feed_forward import feed_forward
from .head import classify
from .nodes import CONTRIB, Graph
from .pointwise import norm
from .precision import Precision
from .rectangle import flat

__all__ = ["CONTRIB", "Graph", "Precision", "build"]


def build(spec: EncoderSpec, precision: Precision, weights: WeightsFile, *, head: bool) -> onnx.ModelProto:
    """Write one graph; both graphs of a bundle put their tensors into the same `weights`.

    Returns:
        A model with the output "logits" (texts, labels) for `head`, else "hidden_states" (tokens, dim).
    """
    graph = Graph(weights, precision.floats)
    x = embed(graph, spec, precision)
    for index, layer in enumerate(spec.layers):
        name = f"layers.{index}"
        first_only = head and spec.head is not None and spec.head.pooling == "first" and index == len(spec.layers) - 1
        attended = attention(graph, f"{name}.attention", layer, precision, x, spec, first_only=first_only)
        x = feed_forward(graph, f"{name}.ffn", layer, precision, attended, spec)
    if spec.final_norm is not None:
        x = norm(graph, "final.norm", x, spec.final_norm)
    x = graph.widen("answer", x)
    if not head:
        return graph.model(flat(graph, "hidden_states", x, spec), ("tokens", spec.dim))
    assert spec.head is not None
    logits = classify(graph, spec.head, precision, x, spec)
    return graph.model(logits, ("texts", len(spec.head.out.bias)))
