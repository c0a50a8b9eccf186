"""Texts to packed tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arguments import text_list
from .errors import IncompatibleError


@dataclass(frozen=True)
class Batch:
    """Tokenised texts, one after another with nothing between them: padding does not exist.

    Attributes:
        input_ids: int32 (tokens,). Text i is input_ids[offsets[i]:offsets[i + 1]].
        offsets: int64 (texts + 1,).
        truncated: bool (texts,). True where a text was longer than the model takes.
        type_ids: int32 (tokens,). Which part of its text a token belongs to, as the tokenizer says: 0 for all but the
            second text of a pair. Models without token types do not read it.
    """

    input_ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    type_ids: NDArray[np.int32]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text: int64 (texts,)."""
        return np.diff(self.offsets)

    def select(self, texts: NDArray[np.intp]) -> Batch:
        """The batch of these texts, in this order."""
        spans = [slice(self.offsets[i], self.offsets[i + 1]) for i in texts]
        return Batch(
            np.concatenate([self.input_ids[span] for span in spans]),
            _offsets([span.stop - span.start for span in spans]),
            self.truncated[texts],
            np.concatenate([self.type_ids[span] for span in spans]),
        )

    @classmethod
    def concatenate(cls, batches: Sequence[Batch]) -> Batch:
        """All texts of one batch or more, in order."""
        if len(batches) == 1:
            return batches[0]
        return cls(
            np.concatenate([batch.input_ids for batch in batches]),
            _offsets(np.concatenate([batch.lengths for batch in batches])),
            np.concatenate([batch.truncated for batch in batches]),
            np.concatenate([batch.type_ids for batch in batches]),
        )


def _offsets(lengths: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


class Tokenizer:
    """The model's own tokenizer, cutting texts at the model's limit.

    Whatever padding or truncation was baked into tokenizer.json is reset: it would change the ids.
    """

    def __init__(self, path: Path, max_tokens: int) -> None:
        import tokenizers

        try:
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the Rust binding raises bare Exception
            raise IncompatibleError(
                f"{path}: tokenizers {tokenizers.__version__} cannot read it ({error}). "
                "Upgrade it with: pip install -U tokenizers"
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._max_tokens = max_tokens

    def encode(self, texts: Iterable[str]) -> Batch:
        """Tokenise n texts, special tokens included.

        Raises:
            InputError: texts is no list of well-formed str; see `arguments.text_list`.
        """
        encodings = self._tokenizer.encode_batch_fast(text_list(texts))
        ids = [encoding.ids for encoding in encodings]
        # Only a text that fills the limit can have lost something; its overflow tells.
        truncated = [
            len(row) >= self._max_tokens and bool(encoding.overflowing)
            for row, encoding in zip(ids, encodings, strict=True)
        ]
        offsets = _offsets([len(row) for row in ids])
        types = [encoding.type_ids for encoding in encodings]
        return Batch(_packed(ids, offsets), offsets, np.array(truncated, np.bool_), _packed(types, offsets))


def _packed(rows: Sequence[Sequence[int]], offsets: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.fromiter((value for row in rows for value in row), np.int32, int(offsets[-1]))
