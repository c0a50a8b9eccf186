"""golden.json: texts with the answers they had where the bundle was made, and their replay on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arguments import Text, TextPair
from .bundle import GOLDEN, TOKENIZER, Bundle
from .classifier import Classifier
from .encoder import Encoder
from .errors import ManifestError, VerificationError
from .fields import Fields, describe, parse
from .manifest import Manifest, Precision
from .tokens import Tokenizer

# What another machine's embeddings must reach where golden.json does not say; docs/decisions/0030-verify-by-cosine.md.
MIN_COSINE: dict[Precision, float] = {"fp32": 0.99999, "fp16": 0.9999, "int8": 0.99}
_MOST_TOLERANT = 1.0  # a file that allowed more would verify nothing
_LEAST_COSINE = 0.9


@dataclass(frozen=True)
class Answers:
    """What one variant answered where the bundle was made.

    Attributes:
        logits: float32 (texts, labels); None in a bundle without a head.
        embeddings: float32 (embedded texts, dim), normalised means, of the first texts.
        tolerance: how far a logit may lie from the recorded one.
        min_cosine: what the cosine between an embedding and the recorded one must reach.
    """

    logits: NDArray[np.float32] | None
    embeddings: NDArray[np.float32]
    tolerance: float
    min_cosine: float


@dataclass(frozen=True)
class Golden:
    """golden.json, as docs/bundle.md describes it."""

    texts: list[Text]
    input_ids: list[list[int]]
    variants: Mapping[Precision, Answers]

    @classmethod
    def from_bytes(cls, data: bytes, manifest: Manifest) -> Golden:
        """Parse and check every field, and every shape against the manifest.

        Raises:
            ManifestError: a field is missing, or not what it should be; the message says which.
        """
        root = parse(data, GOLDEN)
        texts, input_ids = _texts(root), root.sequence("input_ids")
        if not texts:
            raise root.wrong("texts", "one or more", "none")
        if len(input_ids) != len(texts):
            raise root.wrong("input_ids", f"{len(texts)} lists, one for each text", str(len(input_ids)))
        variants = {
            precision: _answers(root.mapping("variants").mapping(precision), precision, manifest, len(texts))
            for precision in manifest.variants
        }
        return cls(texts, input_ids, variants)


def _texts(root: Fields) -> list[Text]:
    texts: list[Text] = []
    for index, value in enumerate(root.sequence("texts")):
        parts = value if isinstance(value, list) and len(value) == 2 else [value]
        if not all(isinstance(part, str) for part in parts):
            raise root.wrong(f"texts[{index}]", "a string, or an array of two", describe(value))
        texts.append(TextPair(*parts) if len(parts) == 2 else parts[0])
    return texts


def _answers(fields: Fields, precision: Precision, manifest: Manifest, texts: int) -> Answers:
    head = manifest.variants[precision].classifier is not None
    embeddings = _matrix(fields, "embeddings", manifest.hidden_size)
    logits = _matrix(fields, "logits", len(manifest.labels)) if head else None
    if logits is not None and len(logits) != texts:
        raise fields.wrong(fields.path("logits"), f"{texts} rows, one for each text", str(len(logits)))
    if not 1 <= len(embeddings) <= texts:
        raise fields.wrong(fields.path("embeddings"), f"1 to {texts} rows", str(len(embeddings)))
    stated = "min_cosine" in fields.values
    return Answers(
        logits=logits,
        embeddings=embeddings,
        tolerance=fields.number("tolerance", 0, _MOST_TOLERANT),
        min_cosine=fields.number("min_cosine", _LEAST_COSINE, 1) if stated else MIN_COSINE[precision],
    )


def _matrix(fields: Fields, key: str, columns: int) -> NDArray[np.float32]:
    expected = f"rows of {columns} numbers"
    try:
        array = np.array(fields.sequence(key), np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise fields.wrong(fields.path(key), expected, str(error)) from error
    if array.ndim != 2 or array.shape[1] != columns or not np.isfinite(array).all():
        raise fields.wrong(fields.path(key), expected, f"shape {array.shape}, {describe(fields.values[key])}")
    return array


@dataclass(frozen=True)
class Replay:
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


def verify(path: str | os.PathLike[str], *, revision: str | None = None) -> list[Replay]:
    """Check every file of a bundle, then replay its golden texts through every graph on this machine.

    Args:
        path: a folder, the name of an installed model package, or a Hub id, as in `Bundle.open`.
        revision: branch, tag or commit of a Hub id.

    Returns:
        One replay a variant.

    Raises:
        BundleNotFoundError, BundleError, ManifestError, IntegrityError: as in `Classifier.load`, for every file of
            the bundle.
        VerificationError: token ids differ, or an answer lies beyond its tolerance.
    """
    return verify_bundle(Bundle.open(path, revision=revision))


def verify_bundle(bundle: Bundle) -> list[Replay]:
    """`verify` for a bundle that is open."""
    if GOLDEN not in bundle.manifest.files:
        raise ManifestError("files", f"{GOLDEN} among them", ", ".join(bundle.manifest.files))
    bundle.check()
    golden = Golden.from_bytes(bundle.read(GOLDEN), bundle.manifest)
    findings = _replay_ids(bundle, golden)
    replays = [_replay(bundle, precision, golden) for precision in bundle.manifest.variants]
    for replay in replays:
        findings += replay.findings()
    if findings:
        raise VerificationError(bundle.path, findings)
    return replays


def _replay_ids(bundle: Bundle, golden: Golden) -> list[str]:
    manifest = bundle.manifest
    batch = Tokenizer(bundle.path / TOKENIZER, manifest.max_tokens, pairs=manifest.pairs).encode(golden.texts)
    rows = np.split(batch.input_ids, batch.offsets[1:-1])
    return [
        f"golden text {index}: token ids {row.tolist()}, recorded {expected}"
        for index, (row, expected) in enumerate(zip(rows, golden.input_ids, strict=True))
        if row.tolist() != expected
    ]


def _replay(bundle: Bundle, precision: Precision, golden: Golden) -> Replay:
    answers = golden.variants[precision]
    embedded = golden.texts[: len(answers.embeddings)]
    embeddings = Encoder.load(bundle.path, precision=precision).embed(embedded, pooling="mean", normalize=True)
    difference = None
    if answers.logits is not None:
        logits = Classifier.load(bundle.path, precision=precision).logits(golden.texts)
        difference = float(np.abs(logits - answers.logits).max())
    cosine = float(_cosines(embeddings, answers.embeddings).min())
    return Replay(precision, difference, answers.tolerance, cosine, answers.min_cosine)


def _cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Row by row: (n, dim) and (n, dim) to (n,), in float64 because float32 cannot tell 1 - 1e-7 from 1."""
    exact_a, exact_b = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(exact_a, axis=1) * np.linalg.norm(exact_b, axis=1)
    cosines: NDArray[np.float64] = (exact_a * exact_b).sum(axis=1) / np.maximum(lengths, 1e-30)
    return cosines
