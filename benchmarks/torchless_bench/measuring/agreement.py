"""Whether a contender answers as the reference does, which is checked before anything is timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from torchless_bench.contenders.contender import ContenderKind, Floats
from torchless_bench.tasks import BenchmarkTask
from torchless_export.quality import score_error
from torchless_export.reports import Gates

EXACT_DIFFERENCE = 1e-3
INT8_DISAGREEMENT = 0.05
INT8_COSINE = 0.9
_TINY = 1e-12
SCORE_ERROR = Gates().max_score_error


@dataclass(frozen=True)
class Agreement:
    """A contender's answers compared with the reference's.

    Attributes:
        texts: number of texts compared; of taggers, number of tokens.
        max_difference: largest absolute difference of a logit, or of a number in an embedding.
        disagreement: share of texts (tokens) with another label than the reference's; has no meaning for embeddings and
            for scores.
        min_cosine: smallest cosine between the two answers to a text.
        relative_error: the differences as a share of the spread of the reference's numbers, as `score_error` has it.
    """

    texts: int
    max_difference: float
    disagreement: float
    min_cosine: float
    relative_error: float

    @classmethod
    def between(cls, reference: Floats, answers: Floats) -> Agreement:
        """Compare logits or embeddings of the same texts, both float32 (texts, columns)."""
        if answers.shape != reference.shape or not np.isfinite(answers).all():
            return cls(len(reference), float("inf"), 1.0, -1.0, float("inf"))
        other_labels = reference.argmax(axis=1) != answers.argmax(axis=1)
        lengths = np.linalg.norm(reference, axis=1) * np.linalg.norm(answers, axis=1)
        cosines = (reference * answers).sum(axis=1) / np.maximum(lengths, _TINY)
        difference = float(np.abs(reference - answers).max())
        error = score_error(reference, answers)
        return cls(len(reference), difference, float(other_labels.mean()), float(cosines.min()), error)

    def problem(self, kind: ContenderKind, task: BenchmarkTask, max_disagreement: float) -> str | None:
        """Why the contender must not be ranked; None if it may be."""
        if kind == "exact":
            what = "vectors" if task == "embed" else "logits"
            problem = f"{what} are up to {self.max_difference:.2g} from PyTorch's"
            agrees = self.max_difference <= EXACT_DIFFERENCE
        elif task == "embed":
            problem = f"a vector has a cosine of {self.min_cosine:.3f} to PyTorch's"
            agrees = self.min_cosine >= INT8_COSINE
        elif task == "rank":
            problem = f"scores differ by {self.relative_error:.1%} of their spread from PyTorch's"
            agrees = self.relative_error <= SCORE_ERROR
        else:
            what = "tokens" if task == "tag" else "texts"
            problem = f"another label than PyTorch's for {self.disagreement:.1%} of {self.texts} {what}"
            agrees = self.disagreement <= max_disagreement
        return None if agrees else f"answers differently: {problem}"


def accuracy(logits: Floats, labels: Sequence[int]) -> float:
    """Share of texts whose label is the right one."""
    return float((logits.argmax(axis=1) == np.asarray(labels)).mean())
