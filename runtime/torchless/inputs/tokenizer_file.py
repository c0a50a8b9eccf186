"""A tokenizer.json, read and copied; what would take memory or time without bound is refused first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torchless.errors import IncompatibleError, is_foreign

_MOST_ID = (1 << 24) - 1  # `tokenizers` walks all ids up to the largest when it copies itself


def read_tokenizer(path: Path, data: bytes | None, max_tokens: int) -> Any:
    """A `tokenizers.Tokenizer`.

    Args:
        path: where it is; what messages call it.
        data: its content, where it has been read; None reads it.
        max_tokens: what the model takes, special tokens included.

    Raises:
        IncompatibleError: `tokenizers` cannot read it, or it adds more special tokens than the model takes.
    """
    import tokenizers

    kind = tokenizers.Tokenizer
    try:
        found: Any = kind.from_file(str(path)) if data is None else kind.from_buffer(data)
    except BaseException as error:  # the Rust binding raises bare Exception, and its panics
        if not is_foreign(error):
            raise
        raise IncompatibleError(
            f"{path}: tokenizers {tokenizers.__version__} cannot read it ({error}). "
            "Upgrade it with: pip install -U tokenizers"
        ) from error
    special = found.num_special_tokens_to_add(False)
    if special > max_tokens:  # `tokenizers` would not cut at all then
        raise IncompatibleError(
            f"{path}, post_processor: expected at most {max_tokens} special tokens around a text, which is the model's "
            f"limit, got {special}. Export the checkpoint again."
        )
    return found


def copy_of(tokenizer: Any) -> Any:
    """A second `tokenizers.Tokenizer`, which may cut elsewhere.

    Raises:
        IncompatibleError: an id of its vocabulary is too large.
    """
    largest = max(tokenizer.get_vocab().values(), default=0)
    if largest > _MOST_ID:
        raise IncompatibleError(
            f"tokenizer.json: expected ids of up to {_MOST_ID:,}, got {largest:,}. Export the checkpoint again."
        )
    return type(tokenizer).from_str(tokenizer.to_str())
