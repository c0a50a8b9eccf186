"""Texts to packed tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arguments import TextPair, text_list
from .errors import IncompatibleError, InputError
from .windows import Windows


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

    def __init__(self, path: Path, max_tokens: int, *, pairs: bool = False) -> None:
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
        self._pairs = pairs
        self._slicing: tuple[tuple[int, int], Any] | None = None

    def encode(self, texts: Iterable[str | TextPair]) -> Batch:
        """Tokenise n texts, special tokens included. Too long a pair loses the end of its longer text, token by token.

        Raises:
            InputError: texts is no list of well-formed texts; see `arguments.text_list`.
        """
        encodings = self._tokenizer.encode_batch_fast(_unwrapped(text_list(texts, pairs=self._pairs)))
        # Only a text that fills the limit can have lost something; its overflow tells.
        truncated = [len(row.ids) >= self._max_tokens and bool(row.overflowing) for row in encodings]
        return _batch(encodings, truncated)

    def encode_windows(self, texts: Iterable[str | TextPair], windows: Windows) -> tuple[Batch, NDArray[np.int64]]:
        """Tokenise n texts in windows, each with the special tokens around it, and each a text of the batch.

        Returns:
            The batch, and int64 (n + 1,): the windows of text i are those from offsets[i] to offsets[i + 1].

        Raises:
            InputError: as in `encode`, or a window has no room for its stride, or is larger than the model's limit.
        """
        listed = text_list(texts, pairs=self._pairs)
        size = self._check_room(listed, windows)
        found = self._slicer(size, windows.stride).encode_batch_fast(_unwrapped(listed))
        if windows.combine == "first":
            return _batch(found, [bool(row.overflowing) for row in found]), np.arange(len(found) + 1)
        groups = [[row, *row.overflowing] for row in found]
        rows = [row for group in groups for row in group]
        return _batch(rows, [False] * len(rows)), _offsets([len(group) for group in groups])

    def _check_room(self, texts: Sequence[str | TextPair], windows: Windows) -> int:
        """The size of a window. tokenizers would panic where the stride leaves it no step."""
        size = self._max_tokens if windows.size is None else windows.size
        if size > self._max_tokens:
            raise InputError(f"size: expected at most the model's limit of {self._max_tokens} tokens, got {size}.")
        for where, taken in self._taken(texts):
            if windows.stride >= size - taken:
                raise InputError(
                    f"{where}a window of {size} tokens leaves {max(size - taken, 0)} to move on by, besides {taken} "
                    f"that stand in every window; expected a stride of less, got {windows.stride}."
                )
        return size

    def _taken(self, texts: Sequence[str | TextPair]) -> Iterator[tuple[str, int]]:
        """The tokens that stand in every window: special ones, and of a pair the whole second text."""
        yield "stride: ", self._tokenizer.num_special_tokens_to_add(False)
        special = self._tokenizer.num_special_tokens_to_add(True)
        seconds = {text.second: index for index, text in enumerate(texts) if isinstance(text, TextPair)}
        for second, index in seconds.items():
            tokens = self._tokenizer.encode(second, add_special_tokens=False)
            yield f"texts[{index}].second, stride: ", special + len(tokens.ids)

    def _slicer(self, size: int, stride: int) -> Any:
        """A tokenizer that cuts in windows. The last one is kept; the shared one is never changed under a thread."""
        kept = self._slicing
        if kept is None or kept[0] != (size, stride):
            slicer = type(self._tokenizer).from_str(self._tokenizer.to_str())
            slicer.enable_truncation(size, stride=stride, strategy="only_first")
            kept = self._slicing = (size, stride), slicer
        return kept[1]


def _unwrapped(texts: list[str | TextPair]) -> list[str | tuple[str, str]]:
    return [text if isinstance(text, str) else (text.first, text.second) for text in texts]


def _batch(encodings: Sequence[Any], truncated: Sequence[bool]) -> Batch:
    ids = [encoding.ids for encoding in encodings]
    offsets = _offsets([len(row) for row in ids])
    types = [encoding.type_ids for encoding in encodings]
    return Batch(_packed(ids, offsets), offsets, np.array(truncated, np.bool_), _packed(types, offsets))


def _packed(rows: Sequence[Sequence[int]], offsets: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.fromiter((value for row in rows for value in row), np.int32, int(offsets[-1]))
