"""The texts of workloads: made with a known number of tokens, or read from a file."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from torchless.errors import InputError
from torchless.inputs.arguments import Text
from torchless_export.samples import Columns, built_in

from .contenders.contender import Input

_FIRST = Columns()

CountTokens = Callable[..., int]  # of a text, or of a pair given as two arguments
# The lengths of SST-2's sentences: log-normal, half of them below 22 tokens, cut at 5 and 64.
MEDIAN_TOKENS, SIGMA, SHORTEST, LONGEST = 22.0, 0.6, 5, 64
_PAIR_TOKENS = 8  # more, so that the shortest pair has two texts
_QUERY_WORDS = 6


class TextMaker:
    """Makes texts from those words of the built-in sample that are one token each.

    The same seed and the same tokenizer make the same texts.

    Raises:
        InputError: the tokenizer has no such word.
    """

    def __init__(
        self, count_tokens: CountTokens, seed: int = 0, *, pairs: bool = False, one_query: bool = False
    ) -> None:
        """Make texts, or pairs of texts: the first has a third of the tokens.

        Args:
            count_tokens: number of tokens of a text or a pair, special tokens included.
            seed: of the words.
            pairs: make pairs.
            one_query: in `of_mixed_lengths`, one first text for all pairs, as documents are ranked for a query.
        """
        self._count = count_tokens
        self._random = random.Random(seed)
        words = sorted({word.lower() for line in built_in() for word in line.split() if word.isalpha()})
        self._words = [word for word in words if count_tokens(f"a {word}") - count_tokens("a") == 1]
        self._special_tokens = count_tokens("")
        self._pairs, self._one_query = pairs, one_query
        if not self._words:
            raise InputError(
                "no word of the built-in sample is one token of this tokenizer, "
                "so no texts of a known length can be made."
            )

    def of_length(self, tokens: int) -> Input:
        """A text, or a pair, of exactly this many tokens, special tokens included.

        Raises:
            InputError: this tokenizer can make no such text.
        """
        if not self._pairs:
            return self._words_of(tokens, self._count)
        return self._pair(self._some_words(max(1, (tokens - self._special_tokens) // 3)), tokens)

    def _pair(self, first: str, tokens: int) -> tuple[str, str]:
        return first, self._words_of(tokens, lambda second: self._count(first, second))

    def _some_words(self, count: int) -> str:
        return " ".join(self._random.choices(self._words, k=count))

    def _words_of(self, tokens: int, count: Callable[[str], int]) -> str:
        words = self._random.choices(self._words, k=max(0, tokens - count("")))
        for _ in range(20):
            difference = count(" ".join(words)) - tokens
            if difference == 0:
                return " ".join(words)
            # A tokenizer that splits a text's first word differently can be off by one: add or remove words.
            words = words[:-difference] if difference > 0 else words + self._random.choices(self._words, k=-difference)
        raise InputError(f"no text of exactly {tokens} tokens can be made with this tokenizer.")

    def of_mixed_lengths(self, count: int) -> list[Input]:
        """This many texts, with lengths distributed as SST-2's are."""
        lengths = self._lengths(count)
        if not self._one_query:
            return [self.of_length(length) for length in lengths]
        query = self._some_words(_QUERY_WORDS)
        return [self._pair(query, length) for length in lengths]

    def _lengths(self, count: int) -> list[int]:
        drawn = (self._random.lognormvariate(0, SIGMA) * MEDIAN_TOKENS for _ in range(count))
        more = _PAIR_TOKENS if self._pairs else 0
        return [more + min(LONGEST, max(SHORTEST, round(length))) for length in drawn]


def read(path: Path, where: Columns = _FIRST) -> list[Input]:
    """The texts or pairs of a .txt, .csv, .tsv, .jsonl or .json file; empty texts are left out.

    Raises:
        InputError: the file cannot be read, or holds no text.
    """
    texts = [given(text) for text in where.of(path)[0] if not isinstance(text, str) or text.strip()]
    if not texts:
        raise InputError(f"--texts {path}: expected texts, got none.")
    return texts


def given(text: Text) -> Input:
    """A text or pair as contenders are given it."""
    return text if isinstance(text, str) else (text.first, text.second)


def draw(texts: Sequence[Input], count: int, seed: int = 0) -> list[Input]:
    """`count` of these texts in a random order that depends on the seed alone; repeated if there are fewer."""
    shuffled = random.Random(seed).sample(texts, len(texts))
    return [shuffled[index % len(shuffled)] for index in range(count)]
