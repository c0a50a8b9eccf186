"""How far int8 is from fp32, in labels, logits and accuracy, and how far it lets neighbours reach."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchless import Classifier, Encoder

from .reference import Reference
from .samples import Labelled, Sample

_BATCH_TEXTS = 32
_NEIGHBOUR_TEXTS = 200


@dataclass(frozen=True)
class Gates:
    """What int8 may cost before an export fails.

    Attributes:
        max_disagreement: share of texts whose label differs from fp32.
        max_accuracy_drop: share of labelled texts, PyTorch's accuracy minus int8's.
    """

    max_disagreement: float = 0.01
    max_accuracy_drop: float = 0.005


@dataclass(frozen=True)
class Accuracy:
    """Share of labelled texts with the right label, by engine."""

    file: str
    texts: int
    torch: float
    fp32: float
    int8: float | None


@dataclass(frozen=True)
class QualityReport:
    """int8 against fp32.

    Attributes:
        calibration: the text that the scales come from.
        texts: how many were compared.
        compared_on: and which.
        disagreement: share of them with another label; None without a head.
        max_logit_difference: largest absolute difference of a logit; None without a head.
        min_embedding_cosine: smallest cosine between mean-pooled embeddings.
        neighbour_texts: how many texts were run alone and in mixed batches.
        neighbour_max_score_difference: how far a score moved between the two; None without a head.
        neighbour_labels_changed: how many labels changed between the two; None without a head.
    """

    calibration: str
    texts: int
    compared_on: str
    disagreement: float | None
    max_logit_difference: float | None
    min_embedding_cosine: float
    neighbour_texts: int
    neighbour_max_score_difference: float | None
    neighbour_labels_changed: int | None

    def findings(self, gates: Gates, accuracy: Accuracy | None) -> list[str]:
        """What the gates do not let through."""
        findings = []
        if self.disagreement is not None and not self.disagreement <= gates.max_disagreement:
            findings.append(
                f"labels differ from fp32 on {self.disagreement:.2%} of {self.texts} texts, "
                f"allowed {gates.max_disagreement:.2%}"
            )
        if accuracy is not None and accuracy.int8 is not None:
            drop = accuracy.torch - accuracy.int8
            if not drop <= gates.max_accuracy_drop:
                findings.append(
                    f"accuracy fell by {drop:.2%} ({accuracy.torch:.2%} in PyTorch, {accuracy.int8:.2%} in int8), "
                    f"allowed {gates.max_accuracy_drop:.2%}"
                )
        return findings


def measure_quality(folder: Path, sample: Sample, calibration: str) -> QualityReport:
    """Compare the int8 variant of a bundle with its fp32 variant."""
    texts = sample.texts
    encoders = [Encoder.load(folder, precision=precision).embed(texts) for precision in ("fp32", "int8")]
    cosine = float((encoders[0] * encoders[1]).sum(axis=1).min())
    disagreement = difference = moved = changed = None
    neighbours = texts[:_NEIGHBOUR_TEXTS]
    if Encoder.load(folder, precision="int8").manifest.variants["int8"].classifier is not None:
        fp32, int8 = (Classifier.load(folder, precision=precision) for precision in ("fp32", "int8"))
        exact, logits = fp32.logits(texts), int8.logits(texts)
        disagreement = float((exact.argmax(axis=1) != logits.argmax(axis=1)).mean())
        difference = float(np.abs(exact - logits).max())
        alone = np.concatenate([int8.scores([text]) for text in neighbours])
        together = int8.scores(neighbours)
        moved = float(np.abs(alone - together).max())
        changed = int((alone.argmax(axis=1) != together.argmax(axis=1)).sum())
    return QualityReport(
        calibration, len(texts), sample.name, disagreement, difference, cosine, len(neighbours), moved, changed
    )


def measure_accuracy(folder: Path, reference: Reference, sample: Labelled, *, int8: bool) -> Accuracy:
    """Accuracy of PyTorch and of each precision of a bundle on labelled texts."""
    texts = sample.texts

    def share(logits: NDArray[np.float32]) -> float:
        return float((logits.argmax(axis=1) == np.array(sample.labels)).mean())

    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # like lengths pad least
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
        int8=share(Classifier.load(folder, precision="int8").logits(texts)) if int8 else None,
    )
