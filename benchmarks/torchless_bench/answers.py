"""Whether a contender answers as PyTorch does: asked before anything is timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .contenders import Floats

EXACT_DIFFERENCE = 1e-3
INT8_DISAGREEMENT = 0.05


@dataclass(frozen=True)
class Agreement:
    """A contender's answers beside the reference's.

    Attributes:
        texts: how many were compared.
        max_difference: the largest absolute difference of a logit.
        disagreement: the share of texts with another label.
    """

    texts: int
    max_difference: float
    disagreement: float

    @classmethod
    def between(cls, reference: Floats, answers: Floats) -> Agreement:
        """Compare logits of the same texts."""
        if answers.shape != reference.shape or not np.isfinite(answers).all():
            return cls(len(reference), float("inf"), 1.0)
        labels = reference.argmax(axis=1) != answers.argmax(axis=1)
        return cls(len(reference), float(np.abs(reference - answers).max()), float(labels.mean()))

    def finding(self, kind: Literal["exact", "int8"], max_disagreement: float) -> str | None:
        """Why it is not to be ranked, if so."""
        if kind == "exact" and not self.max_difference <= EXACT_DIFFERENCE:
            return f"answers differently: logits are up to {self.max_difference:.2g} from PyTorch's"
        if kind == "int8" and not self.disagreement <= max_disagreement:
            return (
                f"answers differently: another label than PyTorch's for {self.disagreement:.1%} of {self.texts} texts"
            )
        return None


def accuracy(logits: Floats, labels: Sequence[int]) -> float:
    """Share of texts with the right label."""
    return float((logits.argmax(axis=1) == np.asarray(labels)).mean())
