"""The one builder of lean graphs: an EncoderSpec and a precision in, an ONNX model out.

Tokens are packed: whatever works token by token works on (tokens, dim), and only the attention core sees a
(texts, longest, dim) rectangle. Texts of one length, above all a lone text, fill that rectangle as they are and take
the branch that moves nothing. With a head that reads each text's first token, the last layer is computed for that
token only, since nothing else reaches the head.

Attention is masked by length in both branches, although the even one has nothing to mask: without a mask onnxruntime
takes another kernel, whose last digits differ, and in int8 a last digit can tip a rounding. One kernel for all makes
an answer independent of its neighbours to the bit (docs/decisions/0003-batches.md).

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

__all__ = ["CONTRIB", "Graph", "Precision", "build"]


def build(spec: EncoderSpec, precision: Precision, weights: WeightsFile, *, head: bool) -> onnx.ModelProto:
    """Write one graph; both graphs of a bundle put their tensors into the same `weights`.

    Returns:
        A model with the output "logits" (texts, labels) for `head`, else "hidden_states" (tokens, dim).
    """
    graph = Graph(weights)
    x = embed(graph, spec, precision)
    for index, layer in enumerate(spec.layers):
        name = f"layers.{index}"
        first_only = head and spec.head is not None and spec.head.pooling == "first" and index == len(spec.layers) - 1
        attended = attention(graph, f"{name}.attention", layer, precision, x, spec, first_only=first_only)
        x = feed_forward(graph, f"{name}.ffn", layer, precision, attended, spec)
    if spec.final_norm is not None:
        x = norm(graph, "final.norm", x, spec.final_norm)
    if not head:
        graph.nodes[-1].output[0] = "hidden_states"
        return graph.model("hidden_states", ("tokens", spec.dim))
    assert spec.head is not None
    logits = classify(graph, spec.head, precision, x, spec)
    return graph.model(logits, ("texts", len(spec.head.out.bias)))
