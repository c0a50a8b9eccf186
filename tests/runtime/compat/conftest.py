"""A pipeline per task, of the tiny model."""

from __future__ import annotations

from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest

from torchless.compat import pipeline


@pytest.fixture(scope="session")
def full_text() -> str:
    """As long as the model takes: 62 tokens and two special ones."""
    return " ".join((ascii_lowercase * 3)[:62])


@pytest.fixture(scope="session")
def classify(tiny: Path) -> Any:
    return pipeline("text-classification", model=tiny)


@pytest.fixture(scope="session")
def extract(tiny: Path) -> Any:
    return pipeline("feature-extraction", model=str(tiny))


@pytest.fixture(scope="session")
def tag(tiny_tagger: Path) -> Any:
    return pipeline("ner", model=tiny_tagger, dtype="float32")


@pytest.fixture(scope="session")
def choose(tiny: Path) -> Any:
    with pytest.warns(UserWarning, match="None of the labels negative, neutral, positive begins with 'entail'"):
        return pipeline("zero-shot-classification", model=tiny)
