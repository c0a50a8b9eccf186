"""fastembed: ONNX Runtime and tokenizers without torch, for embeddings."""

from __future__ import annotations

import numpy as np

from . import Engine, Floats, Job
from .onnx_graph import plain_body

_NAME = "torchless-bench/body"


def load(job: Job) -> Engine:
    """The body as Optimum exports it, mean pooling, vectors of length 1."""
    graph = plain_body(job)
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    TextEmbedding.add_custom_model(
        model=_NAME,
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf=_NAME),
        dim=0,  # of no use to it once the files are there
        model_file=graph.name,
    )
    model = TextEmbedding(_NAME, specific_model_path=str(graph.parent), threads=job.threads)

    def answer(texts: list[str]) -> Floats:
        return np.array(list(model.embed(texts, batch_size=len(texts))), np.float32)

    return Engine(answer, lambda texts, size: list(model.embed(texts, batch_size=size)))
