"""`python -m torchless_bench.exactness.ranking`: a cross-encoder's correlation with people's scores.

    python -m torchless_bench.exactness.ranking --body MINILM --data FOLDER --work FOLDER stsb:bert

It trains the model as `python -m torchless_bench.exactness` does, or finds what that left in `--work`, and compares
PyTorch, fp32 and int8 on the pairs that were kept for the test.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from torchless import Reranker, TextPair
from torchless.errors import InputError
from torchless_export.checkpoint import Checkpoint
from torchless_export.quality import reference_logits
from torchless_export.reference import Reference

from . import command
from .models import TrainedModel

Values = NDArray[np.float64]
_HEADER = "| model | pairs | | Pearson | Spearman | largest difference |\n|---|---|---|---|---|---|\n"


def main() -> int:
    """Print a table, model by model."""
    sys.stdout.write(_HEADER)
    description = "Compare cross-encoders with people's scores."
    return command.run(
        "python -m torchless_bench.exactness.ranking", description, "stsb:bert", lambda model, _: markdown(model)
    )


def markdown(model: TrainedModel) -> str:
    """The rows of one model.

    Raises:
        InputError: its set does not score pairs.
    """
    pairs = [text for text in model.dataset.test.texts if isinstance(text, TextPair)]
    if model.dataset.problem != "regression" or len(pairs) < len(model.dataset.test.texts):
        raise InputError(f"models: expected a set that scores pairs, such as stsb, got {model.name}.")
    people = np.array(model.dataset.test.targets)[:, 0]
    exact = torch_scores(model, pairs)
    found = {"PyTorch": exact}
    for precision in ("fp32", "int8"):
        reranker = Reranker.load(model.bundle, precision=precision)
        found[precision] = reranker.score(pairs, activation="none").astype(np.float64)
    return "".join(
        f"| {model.name} | {len(pairs)} | {name} | {pearson(scores, people):.4f} | {spearman(scores, people):.4f} | "
        f"{np.abs(scores - exact).max():.1g} |\n"
        for name, scores in found.items()
    )


def torch_scores(model: TrainedModel, pairs: list[TextPair]) -> Values:
    """PyTorch's logit for every pair: (n,)."""
    reference = Reference(Checkpoint.open(str(model.checkpoint)), None, "classifier")
    return np.concatenate(reference_logits(reference, pairs)).astype(np.float64)


def pearson(a: Values, b: Values) -> float:
    """Pearson's correlation of two rows of numbers."""
    return float(np.corrcoef(a, b)[0, 1])


def spearman(a: Values, b: Values) -> float:
    """Spearman's: Pearson's of their ranks, equals sharing the mean of theirs."""
    return pearson(_ranks(a), _ranks(b))


def _ranks(values: Values) -> Values:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle: Values = (ends - (counts - 1) / 2)[place]
    return middle


if __name__ == "__main__":
    sys.exit(main())
