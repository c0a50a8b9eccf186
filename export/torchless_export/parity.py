"""Is the fp32 bundle the model? PyTorch and the runtime side by side on real text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchless import Classifier, Encoder, TextPair
from torchless.bundle.manifest import TOKENIZER
from torchless.inputs.arguments import Text
from torchless.inputs.tokens import Tokenizer

from .errors import ParityError
from .reference import Reference

MIN_COSINE = 0.99999
_BATCH_TEXTS = 8


@dataclass(frozen=True)
class ParityReport:
    """PyTorch against the fp32 bundle, each text alone and in mixed batches.

    Attributes:
        texts: how many were compared.
        pairs: how many of them were pairs of texts.
        shortest_tokens, longest_tokens: their range of lengths.
        token_ids_equal: both tokenisers gave the same ids for every text.
        max_hidden_difference: largest absolute difference of a hidden state; None where token ids differed, and so
            nothing else was compared.
        max_logit_difference: the same for logits; None without a head too.
        min_embedding_cosine: smallest cosine between mean-pooled embeddings; None like the first.
        against: the versions that were compared with.
    """

    texts: int
    pairs: int
    shortest_tokens: int
    longest_tokens: int
    token_ids_equal: bool
    max_hidden_difference: float | None
    max_logit_difference: float | None
    min_embedding_cosine: float | None
    against: str

    def findings(self, max_difference: float) -> list[str]:
        """What is further apart than promised; empty for a graph that is the model."""
        findings = [] if self.token_ids_equal else ["token ids differ"]
        for what, difference in (("hidden states", self.max_hidden_difference), ("logits", self.max_logit_difference)):
            if difference is not None and not difference <= max_difference:
                findings.append(f"{what} differ by {difference:.2g}, allowed {max_difference:g}")
        if self.min_embedding_cosine is not None and not self.min_embedding_cosine > MIN_COSINE:
            findings.append(f"embeddings have a cosine of {self.min_embedding_cosine:.6f}, expected > {MIN_COSINE}")
        return findings


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
        min_embedding_cosine=min((_cosine(a.mean(0), e.mean(0)) for a, e in hidden), default=None),
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


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    exact_a, exact_b = a.astype(np.float64), b.astype(np.float64)  # float32 cannot tell 1 - 1e-5 from noise
    return float(exact_a @ exact_b / (np.linalg.norm(exact_a) * np.linalg.norm(exact_b)))


def _versions() -> str:
    import torch
    import transformers

    return f"torch {torch.__version__}, transformers {transformers.__version__}"
