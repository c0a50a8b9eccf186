"""The transformers pipeline, which most people run."""

from __future__ import annotations

import numpy as np

from . import Engine, Floats, Job, label_names


def load(job: Job) -> Engine:
    """The text-classification pipeline; it keeps the order of a list and does not sort it by length."""
    import torch
    from transformers import pipeline

    torch.set_num_threads(job.threads)
    torch.set_num_interop_threads(1)
    classify = pipeline("text-classification", model=str(job.checkpoint), device="cpu")
    # Some DistilBERT checkpoints carry BERT's tokenizer, whose token types they refuse. BERT takes zeros for none.
    classify.tokenizer.model_input_names = ["input_ids", "attention_mask"]
    names = label_names(classify.model.config)
    place = {name: index for index, name in enumerate(names)}

    def logits(texts: list[str]) -> Floats:
        rows = classify(texts, batch_size=len(texts), truncation=True, top_k=None, function_to_apply="none")
        answer = np.empty((len(texts), len(names)), np.float32)
        for index, row in enumerate(rows):
            for scored in row:
                answer[index, place[scored["label"]]] = scored["score"]
        return answer

    def labels(texts: list[str], batch_size: int) -> list[str]:
        return [best["label"] for best in classify(texts, batch_size=batch_size, truncation=True)]

    return Engine(logits, labels)
