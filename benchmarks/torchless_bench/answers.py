"""Whether a contender answers as PyTorch does: asked before anything is timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .contenders import Floats, Kind

EXACT_DIFFERENCE = 1e-3
INT8_DISAGREEMENT = 0.05
INT8_COSINE = 0.9
Task = Literal["classify", "embed"]


@dataclass(frozen=True)
class Agreement:
    """A contender's answers beside the reference's.

    Attributes:
        texts: how many were compared.
        max_difference: the largest absolute difference of a logit or of a vector's coordinate.
        disagreement: the share of texts with another label; means nothing for embeddings.
        min_cosine: the smallest cosine between a text's two answers.
    """

    texts: int
    max_difference: float
    disagreement: float
    min_cosine: float

    @classmethod
    def between(cls, reference: Floats, answers: Floats) -> Agreement:
        """Compare logits or embeddings of the same texts."""
        if answers.shape != reference.shape or not np.isfinite(answers).all():
            return cls(len(reference), float("inf"), 1.0, -1.0)
        labels = reference.argmax(axis=1) != answers.argmax(axis=1)
        products = (reference * answers).sum(1), np.linalg.norm(reference, axis=1), np.linalg.norm(answers, axis=1)
        cosines = products[0] / (products[1] * products[2])
        difference = float(np.abs(reference - answers).max())
        return cls(len(reference), difference, float(labels.mean()), float(cosines.min()))

    def finding(self, kind: Kind, task: Task, max_disagreement: float) -> str | None:
        """Why it is not to be ranked, if so."""
        what = "logits are" if task == "classify" else "vectors are"
        if kind == "exact" and not self.max_difference <= EXACT_DIFFERENCE:
            return f"answers differently: {what} up to {self.max_difference:.2g} from PyTorch's"
        if kind != "exact" and task == "embed" and not self.min_cosine >= INT8_COSINE:
            return f"answers differently: a vector has a cosine of {self.min_cosine:.3f} to PyTorch's"
        if kind != "exact" and task == "classify" and not self.disagreement <= max_disagreement:
            return (
                f"answers differently: another label than PyTorch's for {self.disagreement:.1%} of {self.texts} texts"
            )
        return None


def accuracy(logits: Floats, labels: Sequence[int]) -> float:
    """Share of texts with the right label."""
    return float((logits.argmax(axis=1) == np.asarray(labels)).mean())
