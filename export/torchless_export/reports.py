"""What an export measures, and the gates that it is held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torchless.bundle.manifest import Precision

MIN_PARITY_COSINE = 0.99999  # between an fp32 embedding and PyTorch's
ROUNDINGS = 4  # how many times PyTorch's own rounding two correct float32 models may differ by


@dataclass(frozen=True)
class Gates:
    """How far an export may be from the model before it fails; docs/decisions/0031-gates-fit-the-head.md.

    Attributes:
        max_difference: largest allowed absolute difference between fp32 and PyTorch, of a hidden state or logit.
        max_disagreement: largest allowed share of texts whose labels differ between fp32 and int8 or fp16.
        max_score_error: for heads that answer a number, largest allowed difference between fp32 and int8 or fp16, as
            a share of the spread of fp32's answers.
        min_embedding_cosine: smallest allowed cosine between a mean-pooled embedding in fp32 and in int8 or fp16.
        max_accuracy_drop: largest allowed drop of accuracy of int8 or fp16 below PyTorch, as a share of labelled texts.
    """

    max_difference: float = 1e-4
    max_disagreement: float = 0.01
    max_score_error: float = 0.05
    min_embedding_cosine: float = 0.9
    max_accuracy_drop: float = 0.005


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
            differences; None where neither of them is too large or the model's states are not, as those of MobileBERT.
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
        fp32, fp16, int8: shares of the variants; None for a variant that the bundle does not have.
    """

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
        compared_on: which texts those were.
        disagreement: share of them with other labels (`quality.decisions`); None for a head without labels.
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
        """What the gates do not allow."""
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


@dataclass(frozen=True)
class ExportReport:
    """What an export measured; the manifest keeps it under `quality`.

    Attributes:
        parity: fp32 against PyTorch.
        quality: of each other variant, compared with fp32.
        accuracy: of PyTorch and each variant; None without a labelled file.
    """

    parity: ParityReport
    quality: Mapping[Precision, QualityReport]
    accuracy: Accuracy | None

    def figures(self) -> dict[str, Any]:
        """The reports that there are, as plain data."""
        reports: dict[str, Any] = {"parity": self.parity, "accuracy": self.accuracy}
        reports |= {str(name): report for name, report in self.quality.items()}
        return {name: asdict(report) for name, report in reports.items() if report is not None}
