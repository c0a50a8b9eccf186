"""`TokenClassifier`: what goes in and what comes out."""

from typing import assert_type

import numpy as np
from numpy.typing import NDArray

from torchless import TokenClassifier
from torchless.answers.spans import Span, TaggedText
from torchless.compat import pipeline
from torchless.compat.token_classification import TokenClassificationPipeline


def tagging(tagger: TokenClassifier) -> None:
    assert_type(TokenClassifier.load("bundle"), TokenClassifier)
    assert_type(tagger.tag(["a"]), list[list[Span]])
    assert_type(tagger.tag(("a",), aggregation="first", ignore_labels={"O"}, stride=3), list[list[Span]])
    assert_type(tagger.tag_words([["a", "b"]]), list[list[Span]])
    assert_type(tagger.answer(["a"], truncate=True), list[TaggedText])
    assert_type(tagger.logits(["a"]), list[NDArray[np.float32]])
    assert_type(tagger.tag(["a"])[0][0].words, tuple[int, int] | None)
    assert_type(pipeline("ner", tagger), TokenClassificationPipeline)
    assert_type(pipeline("token-classification", model="bundle").model, TokenClassifier)
    tagger.tag(["a"], aggregation="best")  # type: ignore[arg-type]
    tagger.tag([1])  # type: ignore[list-item]
