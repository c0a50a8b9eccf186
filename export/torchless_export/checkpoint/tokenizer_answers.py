"""Whether a tokenizer that was loaded answers at all, the same each time, and to every text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torchless.inputs.normalizer_growth import MOST_INSERTED, inserted
from torchless_export.errors import CheckpointError, UnsupportedModelError, one_line

from .asking import refuse_interruption

_RARE = "a ᚠ 가 � 🧿 嶲"  # no vocabulary of words or pieces holds all of these


def require_answers(folder: Path, backend: Any) -> None:
    """Refuse a tokenizer that has no answer to some texts, another one each time, or one without the text.

    Args:
        folder: of the checkpoint.
        backend: of `tokenizers`; without padding and truncation.

    Raises:
        CheckpointError, UnsupportedModelError: it is one; the message names the field.
    """
    path = folder / "tokenizer.json"
    if dropout := getattr(backend.model, "dropout", None):
        raise UnsupportedModelError(
            f"{path}, model.dropout: expected null, got {dropout:g}, with which the same text has other token ids each "
            "time. Set it to null, and export again."
        )
    _refuse_growth(path, backend.normalizer)
    unknown = "Give it an unk_token that is in its vocabulary, and export again."
    for text, field, what, advice in (
        ("", "post_processor", "the empty text", "Save the tokenizer again with save_pretrained."),
        (_RARE, "model", "characters that it does not know", unknown),
    ):
        try:
            backend.encode(text)
        except BaseException as error:
            refuse_interruption(error)
            raise CheckpointError(
                f"{path}, {field}: the tokenizer fails on {what} ({one_line(error)}). {advice}"
            ) from error
    _require_the_text(path, backend)


def _refuse_growth(path: Path, normalizer: Any) -> None:
    """A few characters of a text would fill the memory of whoever reads it."""
    growth = inserted(normalizer)
    if growth > MOST_INSERTED:
        raise CheckpointError(
            f"{path}, normalizer: expected at most {MOST_INSERTED:,} characters for one of a text, got {growth:.3g}, "
            "by what Replace and Prepend put in. Make their texts shorter."
        )


def _require_the_text(path: Path, backend: Any) -> None:
    """A template may leave the text out, or have it twice."""
    special, processor = backend.num_special_tokens_to_add(False), backend.post_processor
    whole = len(backend.encode(_RARE).ids)
    backend.post_processor = None  # its templates are applied without special tokens, too
    try:
        bare = len(backend.encode(_RARE).ids)
    finally:
        backend.post_processor = processor
    if whole != bare + special:
        raise CheckpointError(
            f"{path}, post_processor: expected a template of single texts with the text ($A) once, got {whole} tokens "
            f"for a text of {bare} and {special} special ones. Save the tokenizer again with save_pretrained."
        )
