"""Texts to packed tokens."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from torchless.errors import InferenceError, InputError, is_foreign, shown

from .arguments import Side, Text, characters, text_list, whole_number
from .tokenizer_file import copy_of, read_tokenizer
from .windows import Windows

if TYPE_CHECKING:
    from .assembly import Assembler, TokenSequence

T = TypeVar("T", bound=Text | Sequence[str])
_PIECE_TEXTS, _PIECE_CHARACTERS = 1024, 1 << 19


@dataclass(frozen=True)
class Batch:
    """Tokenised texts, one after another with nothing between them: there is no padding.

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
        return self.offsets[1:] - self.offsets[:-1]  # a fifth of what np.diff takes

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
        """All texts of some batches, in order."""
        if not batches:
            return batch_of([], [], [])
        if len(batches) == 1:
            return batches[0]
        return cls(
            np.concatenate([batch.input_ids for batch in batches]),
            _offsets(np.concatenate([batch.lengths for batch in batches]).tolist()),
            np.concatenate([batch.truncated for batch in batches]),
            np.concatenate([batch.type_ids for batch in batches]),
        )


def _offsets(lengths: Iterable[int]) -> NDArray[np.int64]:
    return np.array([0, *accumulate(lengths)], np.int64)


class Tokenised(NamedTuple):
    """Texts that have been read in windows, each window a text of the batch. Models take it in the place of texts.

    Attributes:
        batch: the windows of all texts.
        offsets: int64 (n + 1,). The windows of text i are those from offsets[i] to offsets[i + 1].
    """

    batch: Batch
    offsets: NDArray[np.int64]


class TokenSpan(NamedTuple):
    """One token of a text.

    Attributes:
        id: its number in the vocabulary.
        text: the characters of the text that it stands for; a special token's name.
        special: whether it is one of the model's special tokens, which stand for no characters.
        start, stop: its place in the text, in characters; None for a special token.
    """

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


class Tokenizer:
    """The model's own tokenizer, cutting texts at `max_tokens`, the model's limit, on their `truncation_side`.

    Whatever padding or truncation was baked into tokenizer.json is reset: it would change the ids.
    """

    def __init__(
        self,
        path: Path,
        max_tokens: int,
        *,
        pairs: bool = False,
        truncation_side: Side = "right",
        data: bytes | None = None,
    ) -> None:
        """Make it of a tokenizer.json.

        Args:
            path: where it is; what messages call it.
            max_tokens: the limit, special tokens included.
            pairs: whether the model reads pairs.
            truncation_side: where texts lose tokens.
            data: its content, where it has been read; None reads it.

        Raises:
            IncompatibleError: `tokenizers` cannot read it, or it adds more special tokens than the model takes.
        """
        self._tokenizer = read_tokenizer(path, data, max_tokens)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens, direction=truncation_side)
        self.max_tokens = max_tokens
        self._pairs = pairs
        self.truncation_side = truncation_side

    @property
    def parts(self) -> Any:
        """The `tokenizers.Tokenizer`, to look at: its normalizer, its pre-tokenizer, its model."""
        return self._tokenizer

    def limited(self, max_tokens: int) -> Tokenizer:
        """The same tokenizer with another limit.

        Raises:
            InputError: the limit is no whole number, or has no room for the special tokens.
        """
        max_tokens = whole_number(max_tokens, "max_tokens", "a whole number of 1 or more", 2**31 - 1)
        special = self._tokenizer.num_special_tokens_to_add(False)
        if max_tokens < special:  # `tokenizers` would not cut at all then
            raise InputError(
                f"max_tokens: expected {special} or more, because a text has {special} special tokens, "
                f"got {max_tokens}."
            )
        cutting = copy_of(self._tokenizer)
        cutting.enable_truncation(max_tokens, direction=self.truncation_side)
        other = copy.copy(self)
        vars(other).update(_tokenizer=cutting, max_tokens=max_tokens)
        vars(other).pop("_assembler", None)  # it cuts at the old limit
        return other

    def encode(self, texts: Iterable[Text]) -> Batch:
        """Tokenise n texts, special tokens included. Too long a pair loses tokens of its longer text first.

        Raises:
            InputError: texts is no list of well-formed texts (see `arguments.text_list`), or one has no token at all,
                which only a tokenizer without special tokens allows.
        """
        listed = text_list(texts, pairs=self._pairs)
        assembled = self._pairs and not all(isinstance(text, str) for text in listed)
        encode = self._assembled if assembled else self._encoded
        with _tokenising():
            return Batch.concatenate([encode(piece, first) for first, piece in pieces(listed)])

    def _assembled(self, texts: Sequence[Text], first: int) -> Batch:
        return _batch(self._assembler.encode(texts, first))

    def _encoded(self, texts: Sequence[Text], first: int) -> Batch:
        """The same by `tokenizers` alone; `first` is the place of the first text in the caller's list."""
        encodings = self._tokenizer.encode_batch_fast(texts)
        ids = [encoding.ids for encoding in encodings]
        if not all(ids):
            from .assembly import without_tokens

            raise without_tokens(first + next(index for index, row in enumerate(ids) if not row))
        # Only a text that fills the limit can have lost something; its overflow tells.
        truncated = [
            len(row) >= self.max_tokens and bool(encoding.overflowing)
            for row, encoding in zip(ids, encodings, strict=True)
        ]
        return batch_of(ids, [encoding.type_ids for encoding in encodings], truncated)

    def encode_windows(self, texts: Iterable[Text], windows: Windows | None) -> Tokenised:
        """Tokenise n texts in windows, each with special tokens around it; None makes one each, of texts that are cut.

        Raises:
            InputError: as in `encode`, or windows is none, is larger than the model's limit, or has no room to move on.
        """
        if windows is None:
            batch = self.encode(texts)
            return Tokenised(batch, np.arange(len(batch.lengths) + 1))
        if not isinstance(windows, Windows):
            raise InputError(f"windows: expected Windows(stride=…) or None, got {shown(windows)}.")
        batches, counts = [], []
        listed = text_list(texts, pairs=self._pairs)
        with _tokenising():
            for first, piece in pieces(listed) if listed else [(0, listed)]:  # the windows are checked in any case
                groups = self._assembler.windows(piece, windows, first)
                batches.append(_batch([window for group in groups for window in group]))
                counts += [len(group) for group in groups]
        return Tokenised(Batch.concatenate(batches), _offsets(counts))

    def untruncated(self, texts: Sequence[Any], *, special_tokens: bool = True, words: bool = False) -> list[Any]:
        """A `tokenizers.Encoding` of every text, or with `words` of every list of words; `len` counts its tokens."""
        with _tokenising():
            encodings: list[Any] = self._untruncated.encode_batch(list(texts), words, special_tokens)
        return encodings

    @cached_property
    def _untruncated(self) -> Any:
        """A copy that does not truncate; made when it is first used, because most processes never do."""
        whole = copy_of(self._tokenizer)
        whole.no_truncation()
        return whole

    @cached_property
    def _assembler(self) -> Assembler:
        from .assembly import Assembler

        return Assembler(self._untruncated, self.max_tokens, self.truncation_side)


def pieces(texts: Sequence[T]) -> Iterator[tuple[int, Sequence[T]]]:
    """Texts, pairs or lists of words, cut into pieces that take little memory to tokenise (50 bytes per character).

    Yields:
        The place of the piece's first text in the list, and the piece.
    """
    first = size = 0
    for place, text in enumerate(texts):
        size += characters(text)
        if place > first and (place - first == _PIECE_TEXTS or size > _PIECE_CHARACTERS):
            yield first, texts[first:place]
            first, size = place, characters(text)
    if texts:
        yield first, texts[first:] if first else texts


@contextmanager
def _tokenising() -> Iterator[None]:
    """A panic of `tokenizers`, and any other error of its own, as one of ours."""
    try:
        yield
    except BaseException as error:
        if is_foreign(error):
            raise InferenceError(f"the tokenizer failed ({type(error).__name__}: {shown(str(error))}).") from error
        raise


def spans_of(text: str, encoding: Any) -> list[TokenSpan]:
    """The tokens of a text, out of its encoding."""
    tokens = zip(encoding.ids, encoding.tokens, encoding.special_tokens_mask, encoding.offsets, strict=True)
    return [
        TokenSpan(token, piece, True, None, None) if special else TokenSpan(token, text[start:stop], False, start, stop)
        for token, piece, special, (start, stop) in tokens
    ]


def _batch(sequences: Sequence[TokenSequence]) -> Batch:
    return batch_of(
        [each.ids for each in sequences], [each.types for each in sequences], [each.truncated for each in sequences]
    )


def batch_of(ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]], truncated: Sequence[bool]) -> Batch:
    """A batch of token ids and types, text by text."""
    offsets = _offsets(map(len, ids))
    flat = (np.fromiter(chain.from_iterable(rows), np.int32, int(offsets[-1])) for rows in (ids, types))
    input_ids, type_ids = flat
    return Batch(input_ids, offsets, np.array(truncated, np.bool_), type_ids)
