"""`transformers.pipeline`, which most people use."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from .contender import Floats, Input, LoadedContender, Setup
from .hf_checkpoint import label_names, without_padding
from .pytorch import limit_threads


def load(setup: Setup) -> LoadedContender:
    """The text-classification pipeline. It runs a list in the order given, without sorting it by length."""
    from transformers import pipeline

    limit_threads(setup)
    classify = pipeline("text-classification", model=str(setup.checkpoint), device="cpu")
    _leave_out_token_types(classify)
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

    def from_datasets(source: Path, output: Path, batch_size: int) -> None:
        import datasets
        from transformers.pipelines.pt_utils import KeyDataset

        rows = datasets.load_dataset(
            "csv", data_files=str(source), split="train", cache_dir=str(output.parent / "cache")
        )
        answers = classify(KeyDataset(rows, "text"), batch_size=batch_size, truncation=True)
        with output.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([*row.values(), best["label"]] for row, best in zip(rows, answers, strict=True))

    return LoadedContender(logits, labels, whole_file=from_datasets if find_spec("datasets") else None)


def _leave_out_token_types(pipeline: Any) -> None:
    """Some DistilBERT checkpoints have BERT's tokenizer, but DistilBERT refuses token types."""
    if pipeline.model.config.model_type == "distilbert":
        pipeline.tokenizer.model_input_names = ["input_ids", "attention_mask"]


def _named(texts: list[Input]) -> list[str | dict[str, str]]:
    return [text if isinstance(text, str) else {"text": text[0], "text_pair": text[1]} for text in texts]


def load_tagger(setup: Setup) -> LoadedContender:
    """The token-classification pipeline. Its model's logits are caught on their way; it answers spans."""
    from transformers import pipeline

    limit_threads(setup)
    tag = pipeline("token-classification", model=str(setup.checkpoint), device="cpu", aggregation_strategy="simple")
    _leave_out_token_types(tag)

    def logits(texts: list[str]) -> Floats:
        caught: list[Floats] = []

        def catch(_: Any, __: Any, inputs: dict[str, Any], outputs: Any) -> None:
            caught.extend(without_padding(outputs["logits"].numpy(), inputs["attention_mask"].numpy()))

        hook = tag.model.register_forward_hook(catch, with_kwargs=True)
        try:
            tag(texts, batch_size=len(texts))
        finally:
            hook.remove()  # lists and files are timed without it
        return np.concatenate(caught)

    return LoadedContender(logits, lambda texts, batch_size: tag(texts, batch_size=batch_size))
