"""The checkpoint of `--shape`: a DistilBERT with random weights, because speed depends on a model's shape alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torchless.bundle.manifest import Precision
from torchless_export.samples import built_in

SHAPES: dict[str, dict[str, int]] = {
    "distilbert-base": {},
    "minilm-l6": {"dim": 384, "hidden_dim": 1536},
    "tiny": {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2, "vocab_size": 2000},
}
_SEED = 0
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make(shape: str, folder: Path, tokenizer_of: Path | None = None) -> None:
    """Write a DistilBERT checkpoint of a shape. Seeds are fixed: the same shape has the same weights every time.

    Args:
        shape: one of SHAPES.
        folder: where to write it.
        tokenizer_of: a checkpoint folder whose tokenizer is used; None makes one with the words of the built-in sample.
    """
    import torch
    from transformers import AutoTokenizer, DistilBertConfig, DistilBertForSequenceClassification
    from transformers import DistilBertTokenizerFast as Tokenizer

    folder.mkdir(parents=True, exist_ok=True)
    named = {"id2label": {0: "NEGATIVE", 1: "POSITIVE"}, "label2id": {"NEGATIVE": 0, "POSITIVE": 1}}
    config = DistilBertConfig(**{**SHAPES[shape], **named})
    if tokenizer_of is None:
        (folder / "vocab.txt").write_text("\n".join(vocabulary(config.vocab_size)) + "\n", encoding="utf-8")
        tokenizer: Any = Tokenizer(str(folder / "vocab.txt"), model_max_length=config.max_position_embeddings)
    else:
        tokenizer = AutoTokenizer.from_pretrained(tokenizer_of, local_files_only=True)
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(_SEED)
        DistilBertForSequenceClassification(config).eval().save_pretrained(folder)


def export(checkpoint: Path, bundle: Path, precisions: Sequence[Precision], say: Callable[[str], None]) -> None:
    """Export such a checkpoint. Its labels have no meaning, so int8 and fp16 may change any of them."""
    from torchless_export import export as export_bundle
    from torchless_export.quality import Gates

    gates = Gates(max_disagreement=1.0, max_score_error=1.0, max_accuracy_drop=1.0)
    export_bundle(checkpoint, bundle, precisions=precisions, gates=gates, say=say)


def vocabulary(size: int) -> list[str]:
    """A WordPiece vocabulary of this many tokens: characters and words of the built-in sample, then unused ones."""
    lines = [line.lower() for line in built_in()]
    characters = sorted({character for line in lines for character in line if not character.isspace()})
    words = sorted({word for line in lines for word in line.split() if word.isalpha() and len(word) > 1})
    tokens = list(dict.fromkeys([*_SPECIAL, *characters, *(f"##{character}" for character in characters), *words]))
    return [*tokens, *(f"[unused{index}]" for index in range(size - len(tokens)))][:size]
