"""Where the model runs. In this process: the next chunks are read and tokenised while it answers one."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from torchless.inputs.arguments import Text

from .overlap import ahead
from .questions import Answered, Question, Respondent, prepared
from .rows import Block


@dataclass(frozen=True)
class Answers:
    """What became of a chunk.

    Attributes:
        chunk: its rows.
        answered: the answers to its texts, without those that are wrong, in order.
        wrong: why the model cannot read a text, by its place among the texts.
    """

    chunk: Block
    answered: Answered
    wrong: dict[int, str]

    def refused(self) -> dict[int, str]:
        """Why the model cannot read a text, by the place of its row."""
        good = [place for place, text in enumerate(self.chunk.texts) if text is not None]
        return {good[place]: reason for place, reason in self.wrong.items()}

    def columns(self) -> list[Any]:
        """Of each new column one value per row, None where the row has no answer."""
        rows, refused = len(self.chunk.texts), self.refused()
        places = [place for place, text in enumerate(self.chunk.texts) if text is not None and place not in refused]
        return [_spread(values, places, rows) for values in self.answered.columns]


def _spread(values: Any, places: list[int], rows: int) -> Any:
    if len(places) == rows:
        return values
    spread: list[Any] = [None] * rows
    for place, value in zip(places, values, strict=True):
        spread[place] = value
    return spread


class Answering(Protocol):
    """A place where a model runs."""

    def answers(self, chunks: Iterator[Block]) -> Generator[Answers, None, None]:
        """The answers to every chunk, in order.

        Raises:
            InferenceError: the model failed.
        """
        ...


def texts_of(chunk: Block) -> list[Text]:
    """The texts of the rows that have no problem."""
    return [text for text in chunk.texts if text is not None]


class Here:
    """This process."""

    def __init__(self, question: Question) -> None:
        """Load the model; errors as `Classifier.load`."""
        self._respondent: Respondent = question.load()

    def answers(self, chunks: Iterator[Block]) -> Generator[Answers, None, None]:
        """The answers to every chunk, in order."""
        with closing(ahead(self._ready(chunks))) as ready:
            for chunk, (texts, wrong) in ready:
                yield Answers(chunk, self._respondent.answer(texts), wrong)

    def _ready(self, chunks: Iterator[Block]) -> Iterator[tuple[Block, tuple[Any, dict[int, str]]]]:
        for chunk in chunks:
            yield chunk, prepared(self._respondent, texts_of(chunk))
