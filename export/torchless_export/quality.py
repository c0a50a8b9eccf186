"""How far a variant is from fp32 in labels, logits and accuracy, and how far answers depend on neighbours."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchless import Bundle, Classifier, Encoder
from torchless.answers.numerics import ACTIVATIONS, cosines
from torchless.bundle.manifest import Activation, Precision
from torchless.inputs.arguments import Text, characters

from .confidence import drop_at_least, share_at_least
from .reference import Reference
from .reports import Accuracy, QualityReport
from .reports import Gates as Gates  # where it has always been imported from
from .samples import Labelled, Sample
from .spec import Floats

_BATCH_TEXTS = 32
NEIGHBOUR_TEXTS = 200
_EXCEPTIONS = 0.01  # share of texts whose embeddings may be further from fp32 than the gate allows


def decisions(logits: Floats, activation: Activation) -> NDArray[np.int64 | np.bool_] | None:
    """The labels that logits (texts, labels) stand for: (texts, …), or None where the answer is a number.

    Softmax: the best label. Sigmoid: every label whose score is above 0.5. One column, or no activation: the number
    itself, as in a regression or a reranker.
    """
    if activation == "none" or logits.shape[1] == 1:
        return None
    return logits.argmax(axis=1)[:, None] if activation == "softmax" else logits > 0


def changed_labels(before: Floats, after: Floats, activation: Activation) -> NDArray[np.bool_] | None:
    """Which texts' labels differ: (texts,); None where the answer is a number."""
    a, b = decisions(before, activation), decisions(after, activation)
    if a is None or b is None:
        return None
    changed: NDArray[np.bool_] = (a != b).any(axis=1)
    return changed


def score_error(exact: Floats, logits: Floats, activation: Activation = "none") -> float:
    """How far logits (texts, labels) typically are from the exact ones, as a share of these ones' spread.

    The root mean square of the differences over the standard deviation of the exact logits over the texts (of each
    label's own; their variances are averaged). A graph that answers the same for every text has an error of 1 or more.
    Softmax ignores what all logits of a text have in common, so that is taken off first.
    """
    shift = exact.astype(np.float64) - logits
    exact = exact.astype(np.float64)
    if activation == "softmax":
        shift, exact = (each - each.mean(axis=1, keepdims=True) for each in (shift, exact))
    error = float(np.sqrt(np.square(shift).mean()))
    spread = float(np.sqrt(exact.var(axis=0).mean()))
    return error / spread if spread else math.inf if error else 0.0


def low_cosine(cosines: NDArray[np.float64]) -> float:
    """The cosine that 99 % of all texts reach, as far as these (texts,) show.

    It is one of them: so few lie below it that a share of more than 1 % is not shown with 95 % confidence.
    """
    ordered = np.sort(np.nan_to_num(cosines, nan=-1))
    below = 0
    while below + 1 < len(ordered) and share_at_least(below + 1, len(ordered)) <= _EXCEPTIONS:
        below += 1
    return float(ordered[below])


def cosines_with_fp32(folder: Path, precision: Precision, texts: Sequence[Text]) -> NDArray[np.float64]:
    """Cosines between the mean-pooled embeddings of a variant and of fp32: (texts,)."""
    encoders = [Encoder.load(folder, precision=each) for each in ("fp32", precision)]
    exact, embeddings = (encoder.embed(texts, pooling="mean", normalize=True) for encoder in encoders)
    return cosines(exact, embeddings)


def measure_quality(folder: Path, precision: Precision, sample: Sample, calibration: str | None) -> QualityReport:
    """Compare a variant of a bundle with its fp32 variant."""
    texts = sample.texts
    similar = cosines_with_fp32(folder, precision, texts)
    manifest = Bundle.open(folder).manifest
    disagreement = error = difference = moved = neighbours_changed = None
    neighbours = texts[:NEIGHBOUR_TEXTS]
    if manifest.variants[precision].classifier is not None:
        exact_classifier, classifier = (Classifier.load(folder, precision=each) for each in ("fp32", precision))
        exact, logits = exact_classifier.logits(texts), classifier.logits(texts)
        changed = changed_labels(exact, logits, manifest.activation)
        disagreement = None if changed is None else float(changed.mean())
        error = score_error(exact, logits, manifest.activation if exact.shape[1] > 1 else "none")
        difference = float(np.abs(exact - logits).max())
        alone = np.concatenate([classifier.logits([text]) for text in neighbours])
        together = classifier.logits(neighbours)
        scores = ACTIVATIONS[manifest.activation]
        moved = float(np.abs(scores(alone) - scores(together)).max())
        changed = changed_labels(alone, together, manifest.activation)
        neighbours_changed = None if changed is None else int(changed.sum())
    return QualityReport(
        calibration=calibration,
        texts=len(texts),
        compared_on=sample.name,
        disagreement=disagreement,
        score_error=error,
        max_logit_difference=difference,
        min_embedding_cosine=float(similar.min()),
        neighbour_texts=len(neighbours),
        neighbour_max_score_difference=moved,
        neighbour_labels_changed=neighbours_changed,
        low_embedding_cosine=low_cosine(similar),
    )


def measure_accuracy(folder: Path, reference: Reference, sample: Labelled, variants: Collection[Precision]) -> Accuracy:
    """Accuracy of PyTorch and of each precision of a bundle on labelled texts."""
    labels = np.array(sample.labels)
    measured: list[Precision] = ["fp32", *variants]
    right = {
        precision: Classifier.load(folder, precision=precision).logits(sample.texts).argmax(axis=1) == labels
        for precision in measured
    }
    expected = np.array(reference_logits(reference, sample.texts)).argmax(axis=1) == labels
    shares = {precision: float(each.mean()) for precision, each in right.items()}
    return Accuracy(
        file=sample.name,
        texts=len(labels),
        torch=float(expected.mean()),
        fp32=shares["fp32"],
        fp16=shares.get("fp16"),
        int8=shares.get("int8"),
        drop_at_least={
            precision: drop_at_least(
                int((expected & ~right[precision]).sum()), int((right[precision] & ~expected).sum()), len(labels)
            )
            for precision in variants
        },
    )


def reference_logits(reference: Reference, texts: Sequence[Text]) -> list[Floats]:
    """PyTorch's logits of each text: (labels,), or (tokens_i, labels) of a head that classifies tokens."""
    order = sorted(range(len(texts)), key=lambda index: characters(texts[index]))  # like lengths pad least
    expected: dict[int, Floats] = {}
    for start in range(0, len(order), _BATCH_TEXTS):
        group = order[start : start + _BATCH_TEXTS]
        _, logits = reference.run([texts[index] for index in group])
        assert logits is not None
        expected.update(zip(group, logits, strict=True))
    return [expected[index] for index in range(len(texts))]
