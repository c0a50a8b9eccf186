"""Is a bundle what was exported, and does it answer on this machine as it did where it was made?"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from torchless.answers.numerics import cosines
from torchless.bundle.bundle import Bundle
from torchless.bundle.golden import Golden
from torchless.bundle.manifest import GOLDEN, Precision
from torchless.classifier import Classifier
from torchless.encoder import Encoder
from torchless.errors import ManifestError, VerificationError
from torchless.inputs.arguments import Text
from torchless.token_classifier import TokenClassifier

_LARGE = 10  # root mean square of logits from which on they may differ by more, as a regression's prices do


@dataclass(frozen=True)
class VerificationReport:
    """How far this machine's answers lie from the recorded ones, for one variant.

    Attributes:
        logit_difference: largest absolute difference of a logit; None in a bundle without a head.
        tolerance: what it may reach.
        embedding_cosine: smallest cosine between an embedding and the recorded one.
        min_cosine: what it must reach.
    """

    precision: Precision
    logit_difference: float | None
    tolerance: float
    embedding_cosine: float
    min_cosine: float

    def findings(self) -> list[str]:
        """What lies further away than it may."""
        found = []
        if self.logit_difference is not None and not self.logit_difference <= self.tolerance:
            found.append(f"{self.precision} logits differ by {self.logit_difference:.2g}, allowed {self.tolerance:.2g}")
        if not self.embedding_cosine >= self.min_cosine:
            found.append(
                f"{self.precision} embeddings have a cosine of {self.embedding_cosine:.7g}, "
                f"expected {self.min_cosine:g} or more"
            )
        return found


def verify(path: str | os.PathLike[str], *, revision: str | None = None) -> list[VerificationReport]:
    """Check every file of a bundle, then replay its golden texts through every graph on this machine.

    Args:
        path: a folder, the name of an installed model package, or a Hub id, as in `Bundle.open`.
        revision: branch, tag or commit of a Hub id.

    Returns:
        One report per variant.

    Raises:
        BundleNotFoundError, BundleError, ManifestError, IntegrityError: as in `Classifier.load`, for every file of
            the bundle.
        VerificationError: token ids differ, or an answer lies beyond its tolerance.
    """
    return verify_bundle(Bundle.open(path, revision=revision))


def verify_bundle(bundle: Bundle) -> list[VerificationReport]:
    """`verify` for a bundle that is open."""
    if GOLDEN not in bundle.manifest.files:
        raise ManifestError("files", f"{GOLDEN} among them", ", ".join(bundle.manifest.files))
    bundle.check()
    golden = Golden.from_bytes(bundle.read(GOLDEN), bundle.manifest)
    findings = _changed_ids(bundle, golden)
    reports = [_compare(bundle, precision, golden) for precision in bundle.manifest.variants]
    for report in reports:
        findings += report.findings()
    if findings:
        raise VerificationError(bundle.path, findings)
    return reports


def _changed_ids(bundle: Bundle, golden: Golden) -> list[str]:
    batch = bundle.tokenizer().encode(golden.texts)
    rows = np.split(batch.input_ids, batch.offsets[1:-1])
    return [
        f"golden text {index}: token ids {row.tolist()}, recorded {expected}"
        for index, (row, expected) in enumerate(zip(rows, golden.input_ids, strict=True))
        if row.tolist() != expected
    ]


def _compare(bundle: Bundle, precision: Precision, golden: Golden) -> VerificationReport:
    answers = golden.variants[precision]
    embedded = golden.texts[: len(answers.embeddings)]
    embeddings = Encoder.from_bundle(bundle, precision=precision).embed(embedded, pooling="mean", normalize=True)
    difference, tolerance = None, answers.tolerance
    if answers.logits is not None:
        logits = _logits(bundle, precision, golden.texts)
        same = logits.shape == answers.logits.shape  # a tagger's differ where token ids do, which is found above
        difference = float(np.abs(logits - answers.logits).max()) if same else float("inf")
        size = float(np.sqrt(np.square(answers.logits.astype(np.float64)).mean()))
        tolerance *= max(1.0, size / _LARGE)
    cosine = float(cosines(embeddings, answers.embeddings).min())
    return VerificationReport(precision, difference, tolerance, cosine, answers.min_cosine)


def _logits(bundle: Bundle, precision: Precision, texts: list[Text]) -> NDArray[np.float32]:
    """One row per text, or one per token of all texts where the bundle labels tokens."""
    if bundle.manifest.kind == "token_classifier":
        return np.concatenate(TokenClassifier.from_bundle(bundle, precision=precision).logits(texts))
    return Classifier.from_bundle(bundle, precision=precision).logits(texts)
