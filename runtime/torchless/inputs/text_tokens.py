"""A text's tokens, and their places in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from torchless.errors import InputError, shown

from .arguments import refuse_lone_surrogate
from .tokens import Tokenizer

_WHOLE = " A text that is not split into words goes to tag([text])."


@dataclass(frozen=True)
class TextTokens:
    """The tokens of one text, not cut.

    Attributes:
        text: the text; of words that were given one by one, all of them with the delimiter between.
        ids, types: tokens and their types, special ones included: what a graph takes.
        own: which of them are the text's own, without the special tokens around them. What follows is about these.
        names: the tokens as the vocabulary writes them.
        starts, stops: their places in the text, in characters.
        words: which of the given words each is of; None for a text in one piece.
        shifts: where that word begins in the text; None for a text in one piece.
    """

    text: str
    ids: list[int]
    types: list[int]
    own: range
    names: list[str]
    starts: list[int]
    stops: list[int]
    words: list[int] | None = None
    shifts: list[int] | None = None

    @classmethod
    def of(cls, text: str, encoding: Any, words: Sequence[tuple[int, int]] | None = None) -> TextTokens:
        """Those of a `tokenizers.Encoding`.

        Args:
            text: the text.
            encoding: it may be a part of the text, and hold special tokens.
            words: the places in the text of words that were tokenised one by one.
        """
        own = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
        span = range(own[0], own[-1] + 1) if own else range(0)
        names, offsets = encoding.tokens[span.start : span.stop], encoding.offsets[span.start : span.stop]
        starts, stops = [start for start, _ in offsets], [stop for _, stop in offsets]
        tokens = cls(text, encoding.ids, encoding.type_ids, span, names, starts, stops)
        if words is None:
            return tokens
        of = encoding.word_ids[span.start : span.stop]
        return replace(tokens, words=of, shifts=[words[word][0] for word in of]).moved(offsets)

    def moved(self, places: Sequence[tuple[int, int]]) -> TextTokens:
        """The same tokens at other places in the text, or in the words that were given.

        Args:
            places: start and stop of each of the text's own tokens, in characters.
        """
        shifts = self.shifts or [0] * len(places)
        starts = [start + shift for (start, _), shift in zip(places, shifts, strict=True)]
        stops = [stop + shift for (_, stop), shift in zip(places, shifts, strict=True)]
        return replace(self, starts=starts, stops=stops)

    def part(self, window: range) -> TextTokens:
        """Some of the text's own tokens, as the text has them; what stands around is gone."""
        cut = slice(window.start, window.stop)
        ids, types = self.sequence(window)
        own = range(self.own.start, self.own.start + len(window))
        part = replace(self, ids=ids, types=types, own=own, names=self.names[cut], starts=self.starts[cut])
        words, shifts = (each and each[cut] for each in (self.words, self.shifts))
        return replace(part, stops=self.stops[cut], words=words, shifts=shifts)

    def sequence(self, window: range) -> tuple[list[int], list[int]]:
        """What a graph takes to read some of the text's own tokens: ids and types, with the special ones around."""
        first, last = self.own.start, self.own.stop
        begin, end = first + window.start, first + window.stop
        ids, types = self.ids, self.types
        return ids[:first] + ids[begin:end] + ids[last:], types[:first] + types[begin:end] + types[last:]


def text_tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> list[TextTokens]:
    """The tokens of every text.

    Raises:
        InferenceError: the tokenizer failed.
    """
    encodings = tokenizer.untruncated(texts)
    return [TextTokens.of(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]


def word_tokens(tokenizer: Tokenizer, texts: Sequence[Sequence[str]], delimiter: str = " ") -> list[TextTokens]:
    """The tokens of texts that come as words, each tokenised by itself.

    Raises:
        InferenceError: the tokenizer failed.
    """
    encodings = tokenizer.untruncated(texts, words=True)
    return [
        TextTokens.of(delimiter.join(words), encoding, word_places(words, delimiter))
        for words, encoding in zip(texts, encodings, strict=True)
    ]


def word_places(words: Sequence[str], delimiter: str) -> list[tuple[int, int]]:
    """Where words begin and end in the text that they form, in characters."""
    ends = list(accumulate(len(word) + len(delimiter) for word in words))
    return [(end - len(delimiter) - len(word), end - len(delimiter)) for word, end in zip(words, ends, strict=True)]


def word_list(texts: Any) -> list[list[str]]:
    """Texts that come as words, checked.

    Raises:
        InputError: they are no list of lists of str, or a word holds a lone surrogate; the message says which.
    """
    if not isinstance(texts, (list, tuple)):
        raise InputError(f"texts: expected a list of lists of words, got {type(texts).__name__}.{_WHOLE}")
    return [words_of(words, f"texts[{index}]") for index, words in enumerate(texts)]


def words_of(value: Any, where: str) -> list[str]:
    """The words of one text, checked; `where` is what messages call them.

    Raises:
        InputError: as in `word_list`.
    """
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{where}: expected a list of words, got {type(value).__name__}.{_WHOLE}")
    for place, word in enumerate(value):
        if not isinstance(word, str):
            raise InputError(f"{where}[{place}]: expected a word as str, got {type(word).__name__}.")
        refuse_lone_surrogate(word, f"{where}[{place}]")
    return list(value)


def delimiter_of(value: Any) -> str:
    """What stands between words, checked.

    Raises:
        InputError: it is no str, or holds a lone surrogate.
    """
    if not isinstance(value, str):
        raise InputError(f"delimiter: expected a str, got {shown(value)}.")
    refuse_lone_surrogate(value, "delimiter")
    return value
