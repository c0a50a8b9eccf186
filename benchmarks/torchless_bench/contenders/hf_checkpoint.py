"""The tokenizer and the label names of a checkpoint, as transformers reads them."""

from __future__ import annotations

from typing import Any

from .contender import Setup


def tokenizer(setup: Setup) -> Any:
    """The checkpoint's tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(setup.checkpoint, local_files_only=True)


def label_names(setup: Setup) -> list[str]:
    """The checkpoint's label names, in the order of the logits."""
    from transformers import AutoConfig

    names = AutoConfig.from_pretrained(setup.checkpoint, local_files_only=True).id2label
    return [names[index] for index in range(len(names))]
