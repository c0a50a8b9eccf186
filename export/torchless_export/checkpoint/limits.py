"""How long a text may be."""

from __future__ import annotations

from torchless_export.errors import UnsupportedModelError

from .checkpoint import Checkpoint
from .sentence import SentenceSettings


def max_tokens(checkpoint: Checkpoint, max_positions: int | None, sentence: SentenceSettings | None) -> int:
    """The longest text in tokens: what the position table holds, or less where a setting says so.

    Args:
        checkpoint: its tokenizer may name a length; transformers writes 1e30 where none was set.
        max_positions: rows of the model's position table; None where there is none.
        sentence: settings of sentence-transformers; None where there are none.

    Raises:
        UnsupportedModelError: the tokenizer's length is below 1, or nothing names a length.
    """
    stated = checkpoint.transformers_tokenizer.model_max_length
    if stated < 1:
        raise UnsupportedModelError(f"tokenizer_config.json, model_max_length: expected 1 or more, got {stated}.")
    if max_positions is None and stated > 1e9:
        raise UnsupportedModelError(
            "tokenizer_config.json, model_max_length: expected the longest text in tokens, because the model's config "
            f"names no max_position_embeddings, got {stated:g}."
        )
    trained = sentence.max_tokens if sentence else None
    return int(min(limit for limit in (stated, max_positions, trained) if limit is not None))
