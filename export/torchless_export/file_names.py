"""What the files of a variant are called: of packed graphs by our own names, of padded ones as others look for them.

transformers.js, optimum, Text Embeddings Inference and hugot read `onnx/model.onnx` (with a suffix for each precision)
and, where the graph keeps its tensors outside, the file of the same name with `_data` at its end.
"""

from __future__ import annotations

from collections.abc import Iterable

from torchless.bundle.manifest import Layout, Precision

from .writers.writer import Kind

CONFIG, TOKENIZER_CONFIG, SPECIAL_TOKENS, POOLING = (
    "config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "1_Pooling/config.json",
)
_SUFFIXES: dict[Precision, str] = {"fp32": "", "fp16": "_fp16", "int8": "_quantized"}
_FOLDER = "onnx"


def folder(layout: Layout) -> str:
    """Where graphs and weights lie in the bundle; empty for the bundle's own folder."""
    return _FOLDER if layout == "padded" else ""


def weights(layout: Layout, precision: Precision) -> str:
    """The file with a variant's tensors, as its graphs name it: without the folder."""
    return f"{main_graph(precision)}_data" if layout == "padded" else f"weights.{precision}"


def main_graph(precision: Precision) -> str:
    """The padded graph that other servers run."""
    return f"model{_SUFFIXES[precision]}.onnx"


def graphs(layout: Layout, precision: Precision, kinds: Iterable[Kind]) -> dict[Kind, str]:
    """The file of each graph, without the folder."""
    if layout == "packed":
        return {kind: f"{kind}.{precision}.onnx" for kind in kinds}
    names: dict[Kind, str] = {kind: f"{kind}{_SUFFIXES[precision]}.onnx" for kind in kinds}
    head: Iterable[Kind] = ("classifier", "token_classifier")
    names[next((kind for kind in head if kind in names), "encoder")] = main_graph(precision)
    return names
