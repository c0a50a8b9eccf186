"""How long a text may be."""

from __future__ import annotations

from torchless.errors import InputError, shown
from torchless_export.errors import UnsupportedModelError

from .checkpoint import Checkpoint
from .transformer_settings import TransformerSettings

MOST_TOKENS = 1_000_000  # tokens that a bundle can allow; transformers writes 1e30 where no length was set


def max_tokens(
    checkpoint: Checkpoint, max_positions: int | None, transformer: TransformerSettings | None, asked: int | None = None
) -> int:
    """The longest text in tokens: what the position table holds, or less where a setting says so.

    Args:
        checkpoint: its tokenizer may name a length.
        max_positions: rows of the model's position table; None where there is none.
        transformer: how sentence-transformers loads it; None where that does not matter.
        asked: a limit of the caller's, no longer than the others; None takes those.

    Raises:
        UnsupportedModelError: the tokenizer's length is no number or leaves a text no token; nothing names a length, or
            only one beyond any text.
        InputError: `asked` leaves a text no token, or is beyond the limit.
        UnsupportedModelError, CheckpointError: as `TransformerSettings.trained_length`.
    """
    tokenizer = checkpoint.transformers_tokenizer
    stated, special = tokenizer.model_max_length, tokenizer.num_special_tokens_to_add()
    least = max(special + 1, 2)
    if not isinstance(stated, (int, float)) or not stated >= least:
        around = f", of which {special} are special tokens" if special else ""
        raise UnsupportedModelError(
            "tokenizer_config.json, model_max_length: expected the longest text in tokens, "
            f"{least} or more{around}, got {shown(stated)}."
        )
    trained = None if transformer is None else transformer.trained_length(checkpoint.config, tokenizer)
    if max_positions is None and trained is None and stated > MOST_TOKENS and asked is None:
        raise UnsupportedModelError(
            "tokenizer_config.json, model_max_length: expected the longest text in tokens, because the model's config "
            f"names no max_position_embeddings, got {min(stated, 1e300):g}. Name it with --max-tokens."
        )
    # sentence-transformers cuts at its own length, whatever the tokenizer's is.
    longest = int(min(limit for limit in (trained or stated, max_positions) if limit is not None))
    if asked is not None:
        if not least <= asked <= min(longest, MOST_TOKENS):
            raise InputError(f"max_tokens: expected {least} to {min(longest, MOST_TOKENS):,} tokens, got {asked}.")
        return asked
    if longest > MOST_TOKENS:
        raise too_many_positions(longest)
    return longest


def too_many_positions(got: int) -> UnsupportedModelError:
    """The error about a config that allows longer texts than anybody reads, where nothing else states a length."""
    return UnsupportedModelError(
        f"config.json, max_position_embeddings: expected at most {MOST_TOKENS:,}, or a model_max_length in "
        f"tokenizer_config.json, got {got:,}."
    )
