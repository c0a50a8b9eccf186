"""fastembed: embeddings with ONNX Runtime and tokenizers, without PyTorch."""

from __future__ import annotations

import numpy as np

from .contender import Floats, LoadedContender, Setup
from .onnx_graph import plain_body

_NAME = "torchless-bench/body"


def load(setup: Setup) -> LoadedContender:
    """The graph without its head, as Optimum exports it; mean pooling, embeddings of length 1."""
    graph = plain_body(setup)
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    TextEmbedding.add_custom_model(
        model=_NAME,
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf=_NAME),
        dim=0,  # required, but not used when the files are on disk
        model_file=graph.name,
    )
    model = TextEmbedding(_NAME, specific_model_path=str(graph.parent), threads=setup.threads)

    def answer(texts: list[str]) -> Floats:
        return np.array(list(model.embed(texts, batch_size=len(texts))), np.float32)

    return LoadedContender(answer, lambda texts, size: list(model.embed(texts, batch_size=size)))
