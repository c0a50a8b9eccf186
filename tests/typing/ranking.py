"""Documents by a query, and scores of pairs."""

from typing import assert_type

import numpy as np
from numpy.typing import NDArray

from torchless import Classifier, Ranked, Reranker, TextPair
from torchless.answers.ranking import Answers


def ranking() -> None:
    reranker = Reranker.load("ms-marco", precision="int8", device="cpu", threads=1, revision="main")
    assert_type(reranker, Reranker)
    ranked = reranker.rank("query", ["a", "b"], 3)
    assert_type(ranked, list[Ranked])
    assert_type(ranked[0].index, int)
    assert_type(ranked[0].score, float)
    assert_type(ranked[0].truncated, bool)
    reranker.rank("query", (text for text in ["a"]), top_k=None, activation="none")
    assert_type(reranker.score([("a", "b"), ["a", "b"], TextPair("a", "b")]), NDArray[np.float32])
    assert_type(reranker.answer([TextPair("a", "b")]), Answers)
    assert_type(Reranker(Classifier.load("ms-marco")), Reranker)
    reranker.rank(["query"], ["a"])  # type: ignore[arg-type]
    reranker.rank("query", [1])  # type: ignore[list-item]
    reranker.rank("query", ["a"], "3")  # type: ignore[arg-type]
    reranker.rank("query", ["a"], activation="relu")  # type: ignore[arg-type]
    reranker.score([1])  # type: ignore[list-item]
    ranked[0].score = 1.0  # type: ignore[misc]
