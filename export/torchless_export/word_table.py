"""Tokens without a row in the model's table of words: transformers fails on a text with one, and so does a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torchless.errors import shown

from .checkpoint.asking import asked
from .errors import CheckpointError

_TRIED = 1000  # tokens
_ADVICE = (
    "transformers fails on a text with it. Export the tokenizer that the model was trained with, or train the model "
    "with as many rows (resize_token_embeddings)."
)


def tokens_without_row(backend: Any, model: Any) -> tuple[dict[str, int], int]:
    """Tokens and their ids, the smallest first, and how many rows the table has; none where the model has no table.

    Args:
        backend: of `tokenizers`.
        model: PyTorch's.
    """
    try:
        rows = model.get_input_embeddings().num_embeddings
    except (AttributeError, NotImplementedError):
        return {}, 0
    beyond = {token: index for token, index in backend.get_vocab().items() if index >= rows}
    return dict(sorted(beyond.items(), key=lambda item: item[1])), rows


def refuse_tokens_without_row(folder: Path, backend: Any, model: Any) -> None:
    """Refuse a tokenizer that gives the model tokens without a row; added ones and parts of words may never occur.

    Raises:
        CheckpointError: it does so for every text, or for a word of its vocabulary.
    """
    beyond, rows = tokens_without_row(backend, model)
    path = folder / "tokenizer.json"
    always = max(backend.encode("").ids, default=0)
    if rows and always >= rows:
        raise CheckpointError(
            f"{path}, post_processor: expected special tokens with ids below {rows:,}, the rows of the model's table "
            f"of words, got {always}. Save the tokenizer again with save_pretrained."
        )
    if token := _reached(backend, beyond):
        raise CheckpointError(
            f"{path}, model.vocab: expected ids below {rows:,}, the rows of the model's table of words, got "
            f"{beyond[token]} for {shown(token)}: {_ADVICE}"
        )


def _reached(backend: Any, beyond: Mapping[str, int]) -> str | None:
    """The first token of the vocabulary itself that its own text is taken for."""
    added = backend.get_added_tokens_decoder()
    own = [(token, index) for token, index in beyond.items() if index not in added][:_TRIED]
    texts = asked(lambda _: backend.decode_batch([[index] for _, index in own]), [])
    encodings = asked(lambda some: backend.encode_batch(list(some), add_special_tokens=False), texts)
    reached = (token for (token, index), found in zip(own, encodings, strict=True) if index in found.ids)
    return next(reached, None)


def note_on_tokens_without_row(backend: Any, model: Any) -> str | None:
    """A sentence about tokens that the model cannot read, and that no text may ever have; None where it reads all."""
    beyond, rows = tokens_without_row(backend, model)
    if not beyond:
        return None
    token, index = next(iter(beyond.items()))
    others = f" and {len(beyond) - 1:,} more" if len(beyond) > 1 else ""
    return (
        f"tokens that the model cannot read: {shown(token)} (id {index}){others}; its table of words has {rows:,} "
        "rows. A text with one fails, in transformers and in the bundle"
    )
