"""How far a variant is from fp32 in labels, logits and accuracy, and how far answers depend on neighbours."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchless import Classifier, Encoder
from torchless.bundle.manifest import Activation, Precision
from torchless.inputs.arguments import characters
from torchless.numerics import ACTIVATIONS, cosines

from .reference import Reference
from .reports import Accuracy, QualityReport
from .reports import Gates as Gates  # where it has always been imported from
from .samples import Labelled, Sample
from .spec import Floats

_BATCH_TEXTS = 32
_NEIGHBOUR_TEXTS = 200


def decisions(logits: Floats, activation: Activation) -> NDArray[np.int64 | np.bool_] | None:
    """The labels that logits (texts, labels) stand for: (texts, …), or None where the answer is a number.

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
        min_embedding_cosine=float(cosines(exact_embeddings, embeddings).min()),
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
