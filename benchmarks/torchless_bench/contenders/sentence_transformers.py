"""sentence-transformers, which most people use for embeddings (the reference there) and for ranking."""

from __future__ import annotations

import numpy as np

from .contender import Floats, Input, LoadedContender, Setup
from .pytorch import limit_threads


def load(setup: Setup) -> LoadedContender:
    """The checkpoint without its head, mean pooling, embeddings of length 1. It sorts lists by length itself."""
    from sentence_transformers import SentenceTransformer, models

    limit_threads(setup)
    body = models.Transformer(str(setup.checkpoint))
    if body.auto_model.config.model_type == "distilbert":
        body.tokenizer.model_input_names = ["input_ids", "attention_mask"]  # see pipeline.py
    model = SentenceTransformer(
        modules=[body, models.Pooling(body.get_word_embedding_dimension()), models.Normalize()], device="cpu"
    )

    def embed(texts: list[str], batch_size: int) -> Floats:
        embeddings: Floats = model.encode(texts, batch_size=batch_size, show_progress_bar=False)
        return embeddings

    return LoadedContender(lambda texts: embed(texts, len(texts)), lambda texts, size: list(embed(texts, size)))


def load_cross_encoder(setup: Setup) -> LoadedContender:
    """Its CrossEncoder: pairs to scores before any activation. It sorts lists by length itself."""
    import torch
    from sentence_transformers import CrossEncoder

    limit_threads(setup)
    model = CrossEncoder(str(setup.checkpoint), device="cpu")
    if model.config.model_type == "distilbert":
        model.tokenizer.model_input_names = ["input_ids", "attention_mask"]  # see pipeline.py

    def scores(pairs: list[Input], batch_size: int) -> Floats:
        answer = model.predict(pairs, batch_size=batch_size, activation_fn=torch.nn.Identity(), show_progress_bar=False)
        return np.asarray(answer, np.float32).reshape(len(pairs), -1)

    return LoadedContender(lambda pairs: scores(pairs, len(pairs)), lambda pairs, size: list(scores(pairs, size)))
