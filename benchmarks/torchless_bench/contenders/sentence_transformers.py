"""sentence-transformers: what most people embed with. The reference for embeddings."""

from __future__ import annotations

from . import Engine, Floats, Job


def load(job: Job) -> Engine:
    """The checkpoint's body in PyTorch, mean pooling, vectors of length 1. It sorts lists by length by itself."""
    import torch
    from sentence_transformers import SentenceTransformer, models

    torch.set_num_threads(job.threads)
    torch.set_num_interop_threads(1)
    body = models.Transformer(str(job.checkpoint))
    if body.auto_model.config.model_type == "distilbert":
        body.tokenizer.model_input_names = ["input_ids", "attention_mask"]  # see pipeline.py
    model = SentenceTransformer(
        modules=[body, models.Pooling(body.get_word_embedding_dimension()), models.Normalize()], device="cpu"
    )

    def answer(texts: list[str]) -> Floats:
        vectors: Floats = model.encode(texts, batch_size=len(texts), show_progress_bar=False)
        return vectors

    return Engine(answer, lambda texts, size: list(model.encode(texts, batch_size=size, show_progress_bar=False)))
