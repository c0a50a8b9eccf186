"""Scores of tokens to spans: which part of a text has which label.

How tokens become words and words become spans is what transformers' token classification pipeline defines
(src/transformers/pipelines/token_classification.py), to the digit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from torchless.errors import InputError, shown
from torchless.inputs.arguments import choice, iterator
from torchless.inputs.spelling import Spelling
from torchless.inputs.text_tokens import TextTokens
from torchless.inputs.token_windows import best_seen

from .numerics import Floats, softmax

Aggregation = Literal["none", "simple", "first", "average", "max"]
AGGREGATIONS: tuple[Aggregation, ...] = ("none", "simple", "first", "average", "max")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text, and its label.

    Attributes:
        label: without the prefix B- or I-, unless the aggregation is "none".
        score: between 0 and 1: the mean over its tokens, or its words.
        start, end: its place in the text, in characters: `text[start:end]`.
        word: its tokens as the tokenizer writes them as text; it may differ from the text in case and blanks.
        words: of a text that was given as words: its first word, and the one after its last; None of other texts.
    """

    label: str
    score: float
    start: int
    end: int
    word: str
    words: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class TaggedText:
    """What a tagger answers to one text.

    Attributes:
        spans: from the text's beginning to its end.
        truncated: the text was longer than the model takes, and the rest was not read.
        windows: how many windows it was read in.
    """

    spans: list[Span]
    truncated: bool
    windows: int


class Entity(NamedTuple):
    """Some tokens of a text with one label.

    Attributes:
        label: as in `Span`.
        score: as numpy has it.
        tokens: which of the text's own tokens.
        names: its tokens, or the words that they form.
    """

    label: str
    score: np.float32
    tokens: range
    names: list[str]


class Tagging:
    """How scores become spans: the same for all texts of a call.

    Attributes:
        aggregation: how tokens become spans.
    """

    def __init__(
        self, labels: Sequence[str], spelling: Spelling, aggregation: Aggregation, ignore_labels: Collection[object]
    ) -> None:
        """Take what is the same for all texts.

        Args:
            labels: names of the columns of scores.
            spelling: the tokenizer's.
            aggregation: "none": each token by itself; "simple": neighbours with the same label are one span; "first",
                "average", "max": the tokens of a word agree on the label before that, on that of its first token, of
                the mean of its tokens' scores, or of the token with the highest score.
            ignore_labels: spans with these labels are left out.
        """
        self._labels = labels
        self._spelling = spelling
        self.aggregation = aggregation
        self._ignored = frozenset(ignore_labels)  # asked about every span of a text; a list may be long

    def of(self, tokens: TextTokens, windows: Sequence[range], logits: Sequence[Floats]) -> TaggedText:
        """The answer to a text that was read in windows.

        Args:
            tokens: the text's tokens.
            windows: which of its own tokens each window held.
            logits: float32 (tokens, labels) of each window, special tokens included.
        """
        lead = tokens.own.start
        rows = [
            found[lead + best.start - window.start : lead + best.stop - window.start]
            for found, window, best in zip(logits, windows, best_seen(windows), strict=True)
        ]
        if len(windows) == 1 and len(windows[0]) < len(tokens.own):
            return TaggedText(self.spans(tokens.part(windows[0]), softmax(rows[0])), truncated=True, windows=1)
        return TaggedText(self.spans(tokens, softmax(np.concatenate(rows))), truncated=False, windows=len(windows))

    def spans(self, tokens: TextTokens, scores: Floats) -> list[Span]:
        """The spans of a text.

        Args:
            tokens: the text's tokens.
            scores: float32 (the text's own tokens, labels).
        """
        return [self._span(tokens, entity) for entity in self.entities(tokens, scores)]

    def _span(self, tokens: TextTokens, entity: Entity) -> Span:
        first, last = entity.tokens.start, entity.tokens.stop - 1
        words = None if tokens.words is None else (tokens.words[first], tokens.words[last] + 1)
        return Span(
            entity.label,
            float(entity.score),
            tokens.starts[first],
            tokens.stops[last],
            self.word(entity),
            words,
        )

    def word(self, entity: Entity) -> str:
        """An entity's tokens as text; a token by itself as the vocabulary writes it."""
        return entity.names[0] if self.aggregation == "none" else self._spelling.join(entity.names)

    def entities(self, tokens: TextTokens, scores: Floats) -> list[Entity]:
        """The same, before places are made of them."""
        if not len(scores):
            return []
        names = self._spelling.names(tokens)
        if self.aggregation in ("none", "simple"):
            best = scores.argmax(axis=1)
            highest = scores[np.arange(len(best)), best]
            labels = [self._labels[index] for index in best.tolist()]
            parts = [range(place, place + 1) for place in range(len(labels))]
        else:
            parts = _words(self._spelling.continues(tokens))
            labels, highest = self._agreed(scores, parts)
            names = [self._spelling.join(names[part.start : part.stop]) for part in parts]
        if self.aggregation == "none":
            return [
                Entity(label, score, part, [name])
                for label, score, part, name in zip(labels, highest, parts, names, strict=True)
                if label not in self._ignored
            ]
        return [
            Entity(label, _mean(highest[group]), range(parts[group][0].start, parts[group][-1].stop), names[group])
            for label, group in _groups(labels)
            if label not in self._ignored
        ]

    def _agreed(self, scores: Floats, words: Sequence[range]) -> tuple[list[str], Floats]:
        """The label of every word, and its score."""
        agree = _AGREEMENTS[self.aggregation]
        rows = np.stack([agree(scores[word.start : word.stop]) for word in words])  # (words, labels)
        best = rows.argmax(axis=1)
        return [self._labels[index] for index in best.tolist()], rows[np.arange(len(best)), best]


def _first(scores: Floats) -> Floats:
    row: Floats = scores[0]
    return row


def _average(scores: Floats) -> Floats:
    row: Floats = scores.sum(axis=0) / np.float32(len(scores))
    return row


def _max(scores: Floats) -> Floats:
    row: Floats = scores[scores.max(axis=1).argmax()]
    return row


# The scores of a word, (labels,), out of its tokens', (tokens, labels).
_AGREEMENTS: dict[str, Callable[[Floats], Floats]] = {"first": _first, "average": _average, "max": _max}


def _mean(scores: Floats) -> np.float32:
    return np.float32(scores.sum() / np.float32(len(scores)))


def _words(continues: Sequence[bool]) -> list[range]:
    """The tokens of each word; the first token begins one in any case."""
    begins = [place for place, goes_on in enumerate(continues) if place == 0 or not goes_on]
    return [range(first, last) for first, last in zip(begins, [*begins[1:], len(continues)], strict=True)]


def _groups(labels: Sequence[str]) -> Iterator[tuple[str, slice]]:
    """Neighbours that have the same label but for its prefix, until one begins with B-."""
    first, group = 0, _without_prefix(labels[0])
    for place in range(1, len(labels)):
        label = labels[place]
        tag = _without_prefix(label)
        if tag != group or label.startswith("B-"):
            yield labels[first].split("-", 1)[-1], slice(first, place)
            first, group = place, tag
    yield labels[first].split("-", 1)[-1], slice(first, len(labels))


def _without_prefix(label: str) -> str:
    return label[2:] if label.startswith(("B-", "I-")) else label


def ignored(labels: Any) -> list[str]:
    """Labels to leave out, checked.

    Raises:
        InputError: they are a bare str, or no collection, or one is no str.
    """
    if isinstance(labels, str):
        raise InputError(f"ignore_labels: expected a list of str, got a bare str. Pass [{shown(labels)}].")
    listed = list(labels if isinstance(labels, AbstractSet) else iterator(labels, "ignore_labels"))
    for index, label in enumerate(listed):
        if not isinstance(label, str):
            raise InputError(f"ignore_labels[{index}]: expected a str, got {type(label).__name__}.")
    return listed


def aggregation_of(value: Any) -> Aggregation:
    """One of the aggregations.

    Raises:
        InputError: it is none of them; the message lists them.
    """
    return choice(value, "aggregation", AGGREGATIONS)
