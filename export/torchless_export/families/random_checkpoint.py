"""The settings of a small random checkpoint: what parity is proven on where no real weights are at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BERT_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
ROBERTA_TOKENS = {
    "cls_token": "<s>",
    "pad_token": "<pad>",  # its id is 1
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}


@dataclass(frozen=True)
class RandomCheckpoint:
    """One architecture with the settings that tell it apart; torchless_export/random_checkpoints.py makes it.

    Attributes:
        model_type: config.json's.
        max_tokens: length of the longest text.
        settings: other fields of config.json.
        tokens: the special tokens by their role, in the order of their ids.
        type_ids: whether the tokenizer gives the model token types.
    """

    model_type: str
    max_tokens: int = 64
    settings: Mapping[str, Any] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=lambda: BERT_TOKENS)
    type_ids: bool = False
