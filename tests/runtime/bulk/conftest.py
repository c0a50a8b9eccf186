"""Runs on the tiny bundle, whose model is loaded once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from torchless.bulk.answering import Here
from torchless.bulk.classify import Classify
from torchless.bulk.job import Job
from torchless.bulk.questions import Model, Question
from torchless.bulk.run import Done, run
from torchless.cli.status_line import StatusLine

Score = Callable[..., Done]


@cache
def here(question: Question) -> Here:
    return Here(question)


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
