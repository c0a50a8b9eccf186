"""The tokenizer and the label names of a checkpoint, as transformers reads them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .contender import Floats, Setup


def tokenizer(setup: Setup) -> Any:
    """The checkpoint's tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(setup.checkpoint, local_files_only=True)


def label_names(setup: Setup) -> list[str]:
    """The checkpoint's label names, in the order of the logits."""
    from transformers import AutoConfig

    names = AutoConfig.from_pretrained(setup.checkpoint, local_files_only=True).id2label
    return [names[index] for index in range(len(names))]


def without_padding(logits: Any, mask: Any) -> list[Floats]:
    """Of each text the logits of its tokens, float32 (tokens, labels), from a padded batch and its attention mask."""
    return [np.asarray(rows)[np.asarray(kept) == 1] for rows, kept in zip(logits, mask, strict=True)]
