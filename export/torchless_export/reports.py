"""What an export measures, and the gates that it is held to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torchless.bundle.manifest import Precision

from .confidence import CONFIDENCE, share_at_least

MIN_PARITY_COSINE = 0.99999  # between an fp32 embedding and PyTorch's
ROUNDINGS = 4  # how many times PyTorch's own rounding two correct float32 models may differ by


@dataclass(frozen=True)
class Gates:
    """How far an export may be from the model before it fails; docs/decisions/0052-gates-that-count-texts.md.

    Shares of texts are judged by what the sample shows about all texts: a gate fails where the true value is beyond it
    with a confidence of 95 %, so two texts of 184 decide nothing.

    Attributes:
        max_difference: largest allowed absolute difference between fp32 and PyTorch, of a hidden state or logit.
        max_disagreement: largest allowed share of texts whose labels differ between fp32 and int8 or fp16; of a tagger,
            of tokens.
        max_entity_disagreement: of a tagger, largest allowed share of the entities found in fp32, or in int8 or fp16,
            that only one of the two finds.
        max_score_error: largest allowed typical difference between the logits of fp32 and of int8 or fp16, as a share
            of the spread of fp32's logits over the texts. It needs no labels and few texts.
        min_embedding_cosine: smallest allowed cosine between a mean-pooled embedding in fp32 and in int8 or fp16; one
            text of a hundred may have less.
        max_accuracy_drop: largest allowed drop of accuracy of int8 or fp16 below PyTorch, as a share of labelled texts;
            of a tagger, of entity F1.
    """

    max_difference: float = 1e-4
    max_disagreement: float = 0.05
    max_score_error: float = 0.2
    min_embedding_cosine: float = 0.9
    max_accuracy_drop: float = 0.005
    max_entity_disagreement: float = 0.1


@dataclass(frozen=True)
class ParityReport:
    """PyTorch against the fp32 bundle, each text alone and in mixed batches.

    Attributes:
        texts: how many were compared.
        pairs: how many of them were pairs of texts.
        shortest_tokens, longest_tokens: their range of lengths.
        token_ids_equal: whether both tokenizers gave the same ids for every text.
        max_hidden_difference: largest difference of a hidden state, as a share of the root mean square of the text's
            states where that is above 1; None where token ids differed, because nothing else was compared then.
        max_logit_difference: largest absolute difference of a logit; None without a head too.
        min_embedding_cosine: smallest cosine between mean-pooled embeddings; None where token ids differed.
        against: the versions of PyTorch and transformers.
        hidden_rounding, logit_rounding: how far PyTorch in float32 is from itself in float64, measured like the two
            differences; None where neither of them is too large, or neither states nor logits are.
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
    hidden_rounding: float | None = None
    logit_rounding: float | None = None

    def findings(self, max_difference: float) -> list[str]:
        """What is further apart than allowed; empty for a graph that answers as PyTorch does."""
        findings = [] if self.token_ids_equal else ["token ids differ"]
        for what, difference, rounding in (
            ("hidden states", self.max_hidden_difference, self.hidden_rounding),
            ("logits", self.max_logit_difference, self.logit_rounding),
        ):
            allowed = max(max_difference, ROUNDINGS * (rounding or 0))
            if difference is not None and not difference <= allowed:
                findings.append(f"{what} differ by {difference:.2g}, allowed {allowed:.3g}")
        if self.min_embedding_cosine is not None and not self.min_embedding_cosine > MIN_PARITY_COSINE:
            findings.append(
                f"embeddings have a cosine of {self.min_embedding_cosine:.6f}, expected > {MIN_PARITY_COSINE}"
            )
        return findings


@dataclass(frozen=True)
class Accuracy:
    """Share of labelled texts with the right label, in PyTorch and in each variant of a bundle.

    Attributes:
        file: name of the labelled file.
        texts: how many it has.
        torch: PyTorch's share.
        fp32, fp16, int8: shares of the variants; None for a variant that was not made.
        drop_at_least: how far each variant but fp32 has fallen below PyTorch, with a confidence of 95 %
            (`confidence.drop_at_least`); below 0 where it may have risen.
    """

    file: str
    texts: int
    torch: float
    fp32: float
    fp16: float | None
    int8: float | None
    drop_at_least: Mapping[Precision, float] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """What is measured."""
        return "accuracy"

    @property
    def sample(self) -> str:
        """What it was measured on."""
        return f"{self.texts} texts"


@dataclass(frozen=True)
class QualityReport:
    """int8 or fp16 against fp32.

    Attributes:
        calibration: the text that int8's scales come from; None for fp16.
        texts: how many were compared.
        compared_on: which texts those were.
        disagreement: share of them with other labels (`quality.decisions`); None for a head without labels.
        score_error: root mean square of the logit differences over the spread of fp32's logits
            (`quality.score_error`); None without a head.
        max_logit_difference: largest absolute difference of a logit; None without a head.
        min_embedding_cosine: smallest cosine between mean-pooled embeddings.
        neighbour_texts: how many texts were run alone and in mixed batches.
        neighbour_max_score_difference: how far a score moved between the two; None without a head.
        neighbour_labels_changed: how many texts changed labels between the two; None like `disagreement`.
        low_embedding_cosine: the cosine that 99 % of all texts reach, as far as the sample shows
            (`quality.low_cosine`); None takes the smallest.
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
    low_embedding_cosine: float | None = None

    def findings(self, precision: Precision, gates: Gates, accuracy: Accuracy | None) -> list[str]:
        """What the gates do not allow."""
        needed = self.needed(precision, gates, accuracy)
        words = self._words(precision, gates, accuracy)
        return [finding for gate, finding in words.items() if gate in needed and finding]

    @property
    def changed(self) -> str | None:
        """The share of labels that differ, in words; None for a head without labels."""
        return None if self.disagreement is None else f"{self.disagreement:.2%} of texts have other labels"

    @property
    def neighbours_changed(self) -> str | None:
        """How many labels neighbours change, in words; None for a head without labels."""
        changed = self.neighbour_labels_changed
        return None if changed is None else f"{changed} texts changed labels"

    def _words(self, precision: Precision, gates: Gates, accuracy: Accuracy | None) -> dict[str, str | None]:
        """What each gate has to say, whether it fails or not."""
        return {
            "max_disagreement": self._on_labels(gates.max_disagreement),
            "max_score_error": self._on_scores(gates.max_score_error),
            "min_embedding_cosine": self._on_embeddings(gates.min_embedding_cosine),
            "max_accuracy_drop": _on_accuracy(precision, accuracy, gates.max_accuracy_drop),
        }

    def needed(self, precision: Precision, gates: Gates, accuracy: Accuracy | None) -> dict[str, float]:
        """What the gates that fail, by their names in Gates, would have to allow; empty for a variant that passes."""
        shares = {
            "max_disagreement": self._disagreement_at_least,
            "max_score_error": self.score_error,
            "max_accuracy_drop": _drop(precision, accuracy),
        }
        needed = {
            gate: share
            for gate, share in shares.items()
            if share is not None and not share <= getattr(gates, gate)  # so NaN fails too
        }
        if not self._low_cosine >= gates.min_embedding_cosine:
            needed["min_embedding_cosine"] = self._low_cosine
        return needed

    @property
    def _low_cosine(self) -> float:
        return self.min_embedding_cosine if self.low_embedding_cosine is None else self.low_embedding_cosine

    @property
    def _disagreement_at_least(self) -> float | None:
        if self.disagreement is None:
            return None
        return share_at_least(round(self.disagreement * self.texts), self.texts)

    def _on_labels(self, allowed: float) -> str | None:
        if self.disagreement is None:
            return None
        return (
            f"labels differ from fp32 on {self.disagreement:.2%} of {self.texts} texts ({CONFIDENCE:.0%} confidence: "
            f"on {self._disagreement_at_least:.2%} of all texts or more), allowed {allowed:.2%}"
        )

    def _on_scores(self, allowed: float) -> str | None:
        if self.score_error is None:
            return None
        return (
            f"scores differ from fp32 by {self.score_error:.2%} of their spread over {self.texts} texts, "
            f"allowed {allowed:.2%}"
        )

    def _on_embeddings(self, allowed: float) -> str:
        return f"embeddings have a cosine with fp32 of {self._low_cosine:.4f}, expected {allowed:g} or more"


def _drop(precision: Precision, accuracy: Accuracy | None) -> float | None:
    """The accuracy drop that is shown; the measured one where nothing more is known."""
    share: float | None = getattr(accuracy, precision, None)
    if accuracy is None or share is None:
        return None
    return accuracy.drop_at_least.get(precision, accuracy.torch - share)


def _on_accuracy(precision: Precision, accuracy: Accuracy | None, allowed: float) -> str | None:
    share: float | None = getattr(accuracy, precision, None)
    if accuracy is None or share is None:
        return None
    return (
        f"{accuracy.metric} fell by {accuracy.torch - share:.2%} ({accuracy.torch:.2%} in PyTorch, {share:.2%} in "
        f"{precision}; {CONFIDENCE:.0%} confidence: by {_drop(precision, accuracy):.2%} or more), allowed {allowed:.2%}"
    )


@dataclass(frozen=True)
class ExportReport:
    """What an export measured; the manifest keeps it under `quality`.

    Attributes:
        parity: fp32 against PyTorch.
        quality: of each other variant, compared with fp32.
        accuracy: of PyTorch and each variant; None without a labelled file.
        left_out: what the gates do not allow, by variant that was made and is not in the bundle for that reason.
    """

    parity: ParityReport
    quality: Mapping[Precision, QualityReport]
    accuracy: Accuracy | None
    left_out: Mapping[Precision, Sequence[str]] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """The reports that there are, as plain data."""
        reports: dict[str, Any] = {"parity": self.parity, "accuracy": self.accuracy}
        reports |= {str(name): report for name, report in self.quality.items()}
        figures = {name: asdict(report) for name, report in reports.items() if report is not None}
        for name, findings in self.left_out.items():
            figures.setdefault(name, {})["left_out"] = "; ".join(findings)
        return {name: {key: _as_json(value) for key, value in report.items()} for name, report in figures.items()}


def _as_json(value: object) -> object:
    """None for a figure that JSON has no number for: a score error where fp32 answers the same for every text."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
