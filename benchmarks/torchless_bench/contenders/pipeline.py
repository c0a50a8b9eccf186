"""`transformers.pipeline`, which most people use."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .contender import Floats, LoadedContender, Setup
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

    def logits(texts: list[str]) -> Floats:
        rows = classify(texts, batch_size=len(texts), truncation=True, top_k=None, function_to_apply="none")
        answer = np.empty((len(texts), len(names)), np.float32)
        for index, row in enumerate(rows):
            for scored in row:
                answer[index, place[scored["label"]]] = scored["score"]
        return answer

    def labels(texts: list[str], batch_size: int) -> list[str]:
        return [best["label"] for best in classify(texts, batch_size=batch_size, truncation=True)]

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
