"""The texts of workloads: made with a known number of tokens, or read from a file."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from torchless.errors import InputError
from torchless.inputs.text_files import TEXT_COLUMNS, columns
from torchless_export.samples import built_in

CountTokens = Callable[[str], int]
# The lengths of SST-2's sentences: log-normal, half of them below 22 tokens, cut at 5 and 64.
MEDIAN_TOKENS, SIGMA, SHORTEST, LONGEST = 22.0, 0.6, 5, 64


class TextMaker:
    """Makes texts from those words of the built-in sample that are one token each.

    The same seed and the same tokenizer make the same texts.

    Raises:
        InputError: the tokenizer has no such word.
    """

    def __init__(self, count_tokens: CountTokens, seed: int = 0) -> None:
        self._count = count_tokens
        self._random = random.Random(seed)
        words = sorted({word.lower() for line in built_in() for word in line.split() if word.isalpha()})
        self._words = [word for word in words if count_tokens(f"a {word}") - count_tokens("a") == 1]
        self._special_tokens = count_tokens("")
        if not self._words:
            raise InputError(
                "no word of the built-in sample is one token of this tokenizer, "
                "so no texts of a known length can be made."
            )

    def of_length(self, tokens: int) -> str:
        """A text of exactly this many tokens, special tokens included.

        Raises:
            InputError: this tokenizer can make no such text.
        """
        words = self._random.choices(self._words, k=max(0, tokens - self._special_tokens))
        for _ in range(20):
            difference = self._count(" ".join(words)) - tokens
            if difference == 0:
                return " ".join(words)
            # A tokenizer that splits a text's first word differently can be off by one: add or remove words.
            words = words[:-difference] if difference > 0 else words + self._random.choices(self._words, k=-difference)
        raise InputError(f"no text of exactly {tokens} tokens can be made with this tokenizer.")

    def of_mixed_lengths(self, count: int) -> list[str]:
        """This many texts, with lengths distributed as SST-2's are."""
        return [self.of_length(length) for length in self._lengths(count)]

    def _lengths(self, count: int) -> list[int]:
        drawn = (self._random.lognormvariate(0, SIGMA) * MEDIAN_TOKENS for _ in range(count))
        return [min(LONGEST, max(SHORTEST, round(length))) for length in drawn]


def read(path: Path) -> list[str]:
    """The texts of a .txt, .csv, .tsv, .jsonl or .json file; empty ones are left out.

    Raises:
        InputError: the file cannot be read, or holds no text.
    """
    try:
        with path.open("rb") as file:
            texts = [text for (text,) in columns(file, path.name, TEXT_COLUMNS) if text.strip()]
    except OSError as error:
        raise InputError(f"--texts {path}: {error.strerror}.") from error
    if not texts:
        raise InputError(f"--texts {path}: expected texts, got none.")
    return texts


def draw(texts: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """`count` of these texts in a random order that depends on the seed alone; repeated if there are fewer."""
    shuffled = random.Random(seed).sample(texts, len(texts))
    return [shuffled[index % len(shuffled)] for index in range(count)]
