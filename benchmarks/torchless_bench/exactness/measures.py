"""A contender's logits beside PyTorch's, on texts whose right answers are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from torchless.bundle.manifest import Activation
from torchless_bench.contenders.contender import Floats
from torchless_export.quality import changed_labels, score_error

from .datasets import Problem

_ACTIVATIONS: dict[Problem, Activation] = {
    "single_label_classification": "softmax",
    "multi_label_classification": "sigmoid",
    "regression": "none",
}


@dataclass(frozen=True)
class Exactness:
    """How a contender answers the test texts.

    Attributes:
        metric: accuracy, micro-averaged F1 of several labels, or Pearson's correlation.
        changed: texts with other labels than PyTorch's; None for a number.
        mean_difference: mean absolute difference of a logit.
        relative_error: root mean square of the differences over the logits' spread, as the export's gate has it.
        ms: median milliseconds of a text alone.
    """

    metric: float
    changed: NDArray[np.bool_] | None
    mean_difference: float
    relative_error: float
    ms: float

    @classmethod
    def of(cls, problem: Problem, targets: Floats, exact: Floats, logits: Floats, ms: float) -> Exactness:
        """Compare logits with PyTorch's and with the right answers, all float32 (texts, outputs)."""
        activation = _ACTIVATIONS[problem]
        return cls(
            metric=metric(problem, targets, logits),
            changed=changed_labels(exact, logits, activation),
            mean_difference=float(np.abs(exact - logits).mean()),
            relative_error=score_error(exact, logits, activation),
            ms=ms,
        )


def metric(problem: Problem, targets: Floats, logits: Floats) -> float:
    """Accuracy, micro-averaged F1, or Pearson's correlation."""
    if problem == "single_label_classification":
        return float((logits.argmax(axis=1) == targets.argmax(axis=1)).mean())
    if problem == "regression":
        return float(np.corrcoef(logits[:, 0], targets[:, 0])[0, 1])
    said, right = logits > 0, targets > 0.5
    return float(2 * (said & right).sum() / max(1, said.sum() + right.sum()))
