"""Runs on the tiny bundle, whose model is loaded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from torchless.bulk.answering import Answers, Here
from torchless.bulk.classify import Classify
from torchless.bulk.job import Job
from torchless.bulk.questions import Model, Question
from torchless.bulk.rows import Block
from torchless.bulk.run import Done, run
from torchless.cli.status_line import StatusLine
from torchless.errors import InferenceError

Score = Callable[..., Done]


@cache
def here(question: Question) -> Here:
    return Here(question)


class Failing(Here):
    """Fails after three chunks."""

    def answers(self, chunks: Iterator[Block]) -> Iterator[Answers]:  # type: ignore[override]
        for number, answers in enumerate(super().answers(chunks)):
            if number == 3:
                raise InferenceError("the model failed")
            yield answers


@pytest.fixture
def failing() -> Callable[[Question], Here]:
    """Answering that fails after three chunks."""
    return Failing


@pytest.fixture
def score(tiny: Path) -> Score:
    """Label the rows of a file; options are those of Job and Classify."""

    def scored(source: Path | str, output: Path, answering: Any = here, **options: Any) -> Done:
        asked = {name: options.pop(name) for name in ("prefix", "top_k", "threshold", "windows") if name in options}
        question = Classify(Model(str(tiny)), **asked)
        return run(Job(str(source), str(output), question, **options), answering, status=StatusLine())

    return scored


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of ten rows, so that small files have several."""
    monkeypatch.setattr("torchless.bulk.chunks.MOST_ROWS", 10)
