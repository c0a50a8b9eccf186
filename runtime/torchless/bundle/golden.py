"""golden.json: texts with the answers they had where the bundle was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from torchless.inputs.arguments import Text, TextPair

from .fields import Fields, describe, parse
from .manifest import GOLDEN, Manifest, Precision

# What another machine's embeddings must reach where golden.json does not say; docs/decisions/0030-verify-by-cosine.md.
MIN_COSINES: dict[Precision, float] = {"fp32": 0.99999, "fp16": 0.9999, "int8": 0.99}
_MOST_TOLERANT = 1.0  # a file that allowed more would verify nothing
_LEAST_COSINE = 0.9


@dataclass(frozen=True)
class GoldenAnswers:
    """What one variant answered where the bundle was made.

    Attributes:
        logits: float32 (texts, labels); of a bundle that labels tokens (tokens of all texts, labels), in the order of
            `Golden.input_ids`, special tokens included; None in a bundle without a head.
        embeddings: float32 (embedded texts, hidden_size), normalised means, of the first texts.
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
    variants: Mapping[Precision, GoldenAnswers]

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
            precision: _answers(root.mapping("variants").mapping(precision), precision, manifest, input_ids)
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


def _answers(fields: Fields, precision: Precision, manifest: Manifest, input_ids: Sequence[object]) -> GoldenAnswers:
    kind, texts = manifest.variants[precision].kind, len(input_ids)
    embeddings = _matrix(fields, "embeddings", manifest.hidden_size)
    logits = None if kind == "encoder" else _matrix(fields, "logits", len(manifest.labels))
    rows, unit = texts, "text"
    if kind == "token_classifier":
        rows, unit = sum(len(ids) for ids in input_ids if isinstance(ids, list)), "token"
    if logits is not None and len(logits) != rows:
        raise fields.wrong(fields.path("logits"), f"{rows} rows, one for each {unit}", str(len(logits)))
    if not 1 <= len(embeddings) <= texts:
        raise fields.wrong(fields.path("embeddings"), f"1 to {texts} rows", str(len(embeddings)))
    stated = "min_cosine" in fields.values
    return GoldenAnswers(
        logits=logits,
        embeddings=embeddings,
        tolerance=fields.number("tolerance", 0, _MOST_TOLERANT),
        min_cosine=fields.number("min_cosine", _LEAST_COSINE, 1) if stated else MIN_COSINES[precision],
    )


def _matrix(fields: Fields, key: str, columns: int) -> NDArray[np.float32]:
    expected = f"rows of {columns} numbers"
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, and is refused below
            array = np.array(fields.sequence(key), np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise fields.wrong(fields.path(key), expected, str(error)) from error
    if array.ndim != 2 or array.shape[1] != columns or not np.isfinite(array).all():
        raise fields.wrong(fields.path(key), expected, f"shape {array.shape}, {describe(fields.values[key])}")
    return array
