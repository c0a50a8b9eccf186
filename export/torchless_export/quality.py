"""How far a variant is from fp32, in labels, logits and accuracy, and how far it lets neighbours reach."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchless import Classifier, Encoder
from torchless.bundle.manifest import Activation, Precision
from torchless.inputs.arguments import characters
from torchless.numerics import ACTIVATIONS

from .reference import Reference
from .samples import Labelled, Sample
from .spec import Floats

_BATCH_TEXTS = 32
_NEIGHBOUR_TEXTS = 200


@dataclass(frozen=True)
class Gates:
    """How far an export may be from the model before it fails; docs/decisions/0031-gates-fit-the-head.md.

    Attributes:
        max_difference: fp32 against PyTorch, largest absolute difference of a hidden state or logit.
        max_disagreement: int8 or fp16 against fp32, share of texts with other labels.
        max_score_error: the same for heads that answer a number, as a share of the spread of fp32's answers.
        min_embedding_cosine: the same two, smallest cosine between mean-pooled embeddings.
        max_accuracy_drop: share of labelled texts, PyTorch's accuracy minus theirs.
    """

    max_difference: float = 1e-4
    max_disagreement: float = 0.01
    max_score_error: float = 0.05
    min_embedding_cosine: float = 0.9
    max_accuracy_drop: float = 0.005


@dataclass(frozen=True)
class Accuracy:
    """Share of labelled texts with the right label, by engine."""

    file: str
    texts: int
    torch: float
    fp32: float
    fp16: float | None
    int8: float | None


@dataclass(frozen=True)
class QualityReport:
    """int8 or fp16 against fp32.

    Attributes:
        calibration: the text that int8's scales come from; None for fp16.
        texts: how many were compared.
        compared_on: and which.
        disagreement: share of them with other labels (`decisions`); None where there are none to differ.
        score_error: root mean square of the logit differences over the standard deviation of fp32's logits, for a head
            that answers a number; None for others.
        max_logit_difference: largest absolute difference of a logit; None without a head.
        min_embedding_cosine: smallest cosine between mean-pooled embeddings.
        neighbour_texts: how many texts were run alone and in mixed batches.
        neighbour_max_score_difference: how far a score moved between the two; None without a head.
        neighbour_labels_changed: how many texts changed labels between the two; None like `disagreement`.
    """

    calibration: str | None
    texts: int
    compared_on: str
    disagreement: float | None
    score_error: float | None
    max_logit_difference: float | None
    min_embedding_cosine: float
    neighbour_texts: int
    neighbour_max_score_difference: float | None
    neighbour_labels_changed: int | None

    def findings(self, precision: Precision, gates: Gates, accuracy: Accuracy | None) -> list[str]:
        """What the gates do not let through."""
        findings = []
        if self.disagreement is not None and not self.disagreement <= gates.max_disagreement:
            findings.append(
                f"labels differ from fp32 on {self.disagreement:.2%} of {self.texts} texts, "
                f"allowed {gates.max_disagreement:.2%}"
            )
        if self.score_error is not None and not self.score_error <= gates.max_score_error:
            findings.append(
                f"scores differ from fp32 by {self.score_error:.2%} of their spread over {self.texts} texts, "
                f"allowed {gates.max_score_error:.2%}"
            )
        if not self.min_embedding_cosine >= gates.min_embedding_cosine:
            findings.append(
                f"embeddings have a cosine with fp32 of {self.min_embedding_cosine:.4f}, "
                f"expected {gates.min_embedding_cosine:g} or more"
            )
        share = getattr(accuracy, precision, None)
        if accuracy is not None and share is not None:
            drop = accuracy.torch - share
            if not drop <= gates.max_accuracy_drop:
                findings.append(
                    f"accuracy fell by {drop:.2%} ({accuracy.torch:.2%} in PyTorch, {share:.2%} in {precision}), "
                    f"allowed {gates.max_accuracy_drop:.2%}"
                )
        return findings


def decisions(logits: Floats, activation: Activation) -> NDArray[np.int64 | np.bool_] | None:
    """What a reader takes from logits (texts, labels): (texts, …), or None where that is a number.

    Softmax: the best label. Sigmoid: every label whose score is above 0.5. One column, or no activation: the number
    itself, as in a regression or a reranker.
    """
    if activation == "none" or logits.shape[1] == 1:
        return None
    return logits.argmax(axis=1)[:, None] if activation == "softmax" else logits > 0


def _changed(before: Floats, after: Floats, activation: Activation) -> NDArray[np.bool_] | None:
    """Which texts' labels differ: (texts,); None where the answer is a number."""
    a, b = decisions(before, activation), decisions(after, activation)
    if a is None or b is None:
        return None
    changed: NDArray[np.bool_] = (a != b).any(axis=1)
    return changed


def score_error(exact: Floats, logits: Floats) -> float:
    """Root mean square of the differences over the standard deviation of the exact logits."""
    error = float(np.sqrt(np.square(exact.astype(np.float64) - logits).mean()))
    spread = float(exact.astype(np.float64).std())
    return error / spread if spread else math.inf if error else 0.0


def measure_quality(folder: Path, precision: Precision, sample: Sample, calibration: str | None) -> QualityReport:
    """Compare a variant of a bundle with its fp32 variant."""
    texts = sample.texts
    encoders = [Encoder.load(folder, precision=each) for each in ("fp32", precision)]
    exact_embeddings, embeddings = (encoder.embed(texts, pooling="mean", normalize=True) for encoder in encoders)
    manifest = encoders[1].manifest
    disagreement = error = difference = moved = neighbours_changed = None
    neighbours = texts[:_NEIGHBOUR_TEXTS]
    if manifest.variants[precision].classifier is not None:
        exact_classifier, classifier = (Classifier.load(folder, precision=each) for each in ("fp32", precision))
        exact, logits = exact_classifier.logits(texts), classifier.logits(texts)
        changed = _changed(exact, logits, manifest.activation)
        disagreement = None if changed is None else float(changed.mean())
        error = score_error(exact, logits) if changed is None else None
        difference = float(np.abs(exact - logits).max())
        alone = np.concatenate([classifier.logits([text]) for text in neighbours])
        together = classifier.logits(neighbours)
        scores = ACTIVATIONS[manifest.activation]
        moved = float(np.abs(scores(alone) - scores(together)).max())
        changed = _changed(alone, together, manifest.activation)
        neighbours_changed = None if changed is None else int(changed.sum())
    return QualityReport(
        calibration=calibration,
        texts=len(texts),
        compared_on=sample.name,
        disagreement=disagreement,
        score_error=error,
        max_logit_difference=difference,
        min_embedding_cosine=float((exact_embeddings * embeddings).sum(axis=1).min()),
        neighbour_texts=len(neighbours),
        neighbour_max_score_difference=moved,
        neighbour_labels_changed=neighbours_changed,
    )


def measure_accuracy(folder: Path, reference: Reference, sample: Labelled, variants: Collection[Precision]) -> Accuracy:
    """Accuracy of PyTorch and of each precision of a bundle on labelled texts."""
    texts = sample.texts

    def of(precision: Precision) -> float | None:
        return share(Classifier.load(folder, precision=precision).logits(texts)) if precision in variants else None

    def share(logits: NDArray[np.float32]) -> float:
        return float((logits.argmax(axis=1) == np.array(sample.labels)).mean())

    order = sorted(range(len(texts)), key=lambda index: characters(texts[index]))  # like lengths pad least
    expected: dict[int, NDArray[np.float32]] = {}
    for start in range(0, len(order), _BATCH_TEXTS):
        group = order[start : start + _BATCH_TEXTS]
        _, logits = reference.run([texts[index] for index in group])
        assert logits is not None
        expected.update(zip(group, logits, strict=True))
    return Accuracy(
        file=sample.name,
        texts=len(texts),
        torch=share(np.array([expected[index] for index in range(len(texts))])),
        fp32=share(Classifier.load(folder, precision="fp32").logits(texts)),
        fp16=of("fp16"),
        int8=of("int8"),
    )
