"""Is the fp32 bundle the model? PyTorch and the runtime side by side on real text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchless import Classifier, Encoder, TextPair
from torchless.bundle.manifest import TOKENIZER
from torchless.inputs.arguments import Text
from torchless.inputs.tokens import Tokenizer
from torchless.numerics import cosines

from .errors import ParityError
from .reference import Reference
from .reports import ParityReport

_BATCH_TEXTS = 8


def check_parity(
    folder: Path,
    reference: Reference,
    texts: Sequence[str],
    max_difference: float,
    pairs: Sequence[TextPair] = (),
) -> ParityReport:
    """Compare an fp32 bundle with PyTorch, on texts and, where the bundle reads them, on pairs.

    Raises:
        ParityError: it is not the model; the error carries the report.
    """
    encoder = Encoder.load(folder, precision="fp32")
    head = encoder.manifest.variants["fp32"].classifier is not None
    classifier = Classifier.load(folder, precision="fp32") if head else None
    expected_ids = [*reference.input_ids(texts), *(reference.input_ids(pairs) if pairs else [])]
    tokenizer = Tokenizer(folder / TOKENIZER, encoder.manifest.max_tokens, pairs=encoder.manifest.pairs)
    batch = tokenizer.encode([*texts, *pairs])
    ids_equal = [row.tolist() for row in np.split(batch.input_ids, batch.offsets[1:-1])] == expected_ids

    # One engine after the other: threads that have run out of work spin for a while, and slow whoever runs next.
    groups: list[Sequence[Text]] = [*_alone_and_batched(texts), *_alone_and_batched(pairs)] if ids_equal else []
    run = [(group, *reference.run(group)) for group in groups]
    hidden = [pair for group, states, _ in run for pair in zip(encoder.hidden_states(group), states, strict=True)]
    logits = [(classifier.logits(g), expected) for g, _, expected in run if classifier and expected is not None]
    report = ParityReport(
        texts=len(texts) + len(pairs),
        pairs=len(pairs),
        shortest_tokens=int(batch.lengths.min()),
        longest_tokens=int(batch.lengths.max()),
        token_ids_equal=ids_equal,
        max_hidden_difference=max((_difference(a, e) for a, e in hidden), default=None),
        max_logit_difference=max((_difference(a, e) for a, e in logits), default=None),
        min_embedding_cosine=_min_cosine(hidden),
        against=_versions(),
    )
    if findings := report.findings(max_difference):
        raise ParityError(report, findings)
    return report


def _alone_and_batched(texts: Sequence[Text]) -> list[Sequence[Text]]:
    alone: list[Sequence[Text]] = [[text] for text in texts]
    return alone + [texts[start : start + _BATCH_TEXTS] for start in range(0, len(texts), _BATCH_TEXTS)]


def _difference(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(actual - expected).max())


def _min_cosine(hidden: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> float | None:
    """Smallest cosine between the means of a text's hidden states, ours and PyTorch's."""
    if not hidden:
        return None
    ours, expected = (np.stack([states.mean(0) for states in each]) for each in zip(*hidden, strict=True))
    return float(cosines(ours, expected).min())


def _versions() -> str:
    import torch
    import transformers

    return f"torch {torch.__version__}, transformers {transformers.__version__}"
