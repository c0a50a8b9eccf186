"""`transformers.pipeline`, which most people use."""

from __future__ import annotations

import numpy as np

from .contender import Floats, Input, LoadedContender, Setup
from .hf_checkpoint import label_names
from .pytorch import limit_threads


def load(setup: Setup) -> LoadedContender:
    """The text-classification pipeline. It runs a list in the order given, without sorting it by length."""
    from transformers import pipeline

    limit_threads(setup)
    classify = pipeline("text-classification", model=str(setup.checkpoint), device="cpu")
    # Some DistilBERT checkpoints have BERT's tokenizer, but DistilBERT refuses token types. BERT takes zeros for none.
    classify.tokenizer.model_input_names = ["input_ids", "attention_mask"]
    names = label_names(setup)
    place = {name: index for index, name in enumerate(names)}

    def logits(texts: list[Input]) -> Floats:
        rows = classify(_named(texts), batch_size=len(texts), truncation=True, top_k=None, function_to_apply="none")
        answer = np.empty((len(texts), len(names)), np.float32)
        for index, row in enumerate(rows):
            for scored in row:
                answer[index, place[scored["label"]]] = scored["score"]
        return answer

    def labels(texts: list[Input], batch_size: int) -> list[str]:
        return [best["label"] for best in classify(_named(texts), batch_size=batch_size, truncation=True)]

    return LoadedContender(logits, labels)


def _named(texts: list[Input]) -> list[str | dict[str, str]]:
    return [text if isinstance(text, str) else {"text": text[0], "text_pair": text[1]} for text in texts]
