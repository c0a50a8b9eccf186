"""`pipeline` itself: which task, which model."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, Encoder
from torchless.compat import pipeline
from torchless.errors import IncompatibleError, InputError


def test_a_pipeline_answers_what_its_model_answers(tiny: Path, classify: Any, extract: Any) -> None:
    classifier, encoder = Classifier.load(tiny), Encoder.load(tiny)
    (best,) = classifier.predict(["good"])
    assert classify("good") == [{"label": best.label, "score": best.score}]
    assert (classify.task, type(classify.model)) == ("text-classification", Classifier)
    assert extract("good") == [encoder.hidden_states(["good"])[0].tolist()]
    np.testing.assert_array_equal(extract("good", return_tensors=True)[0], encoder.hidden_states(["good"])[0])


def test_the_task_is_what_the_bundle_was_made_for(tiny: Path, headless: Path) -> None:
    assert pipeline(model=tiny).task == "text-classification"
    assert pipeline(model=Classifier.load(tiny)).task == "text-classification"
    assert pipeline(model=Encoder.load(tiny)).task == "feature-extraction"
    assert pipeline(model=headless).task == "feature-extraction"
    with pytest.raises(IncompatibleError, match="no classification head"):
        pipeline("text-classification", model=headless)


def test_the_other_name_of_a_task_is_kept(tiny: Path) -> None:
    assert pipeline("sentiment-analysis", tiny).task == "sentiment-analysis"


def test_an_unknown_task_is_refused_with_those_that_there_are(tiny: Path) -> None:
    known = (
        "feature-extraction, ner, sentiment-analysis, text-classification, token-classification, "
        "zero-shot-classification"
    )
    with pytest.raises(InputError, match=f"task: expected one of {known}, got 'summarization'"):
        pipeline("summarization", model=tiny)


def test_a_task_is_a_text(tiny: Path) -> None:
    with pytest.raises(InputError, match=r"task: expected one of feature-extraction, .* got array"):
        pipeline(np.array(["ner", "ner"]), model=tiny)  # type: ignore[call-overload]

    class Task(str, Enum):  # noqa: UP042  # as they are written before Python 3.11
        SENTIMENT = "sentiment-analysis"

    assert pipeline(Task.SENTIMENT, model=tiny).task == "sentiment-analysis"


def test_there_is_no_default_model() -> None:
    with pytest.raises(InputError, match="There is no default model"):
        pipeline("text-classification")
