"""golden.json: texts with the answers they had where the bundle was made, and their replay on this machine."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bundle import GOLDEN, TOKENIZER, Bundle
from .classifier import Classifier
from .encoder import Encoder
from .errors import VerificationError
from .manifest import Precision
from .tokens import Tokenizer


@dataclass(frozen=True)
class Replay:
    """How far this machine's answers lie from the recorded ones, for one variant.

    Attributes:
        logit_difference: largest absolute difference of a logit; None in a bundle without a head.
        embedding_difference: largest absolute difference of a coordinate of a normalised mean embedding.
        tolerance: what both may reach.
    """

    precision: Precision
    logit_difference: float | None
    embedding_difference: float
    tolerance: float


def verify(path: str | os.PathLike[str]) -> list[Replay]:
    """Check every file of a bundle, then replay its golden texts through every graph on this machine.

    Returns:
        One replay a variant.

    Raises:
        BundleNotFoundError, ManifestError, IntegrityError: as in `Classifier.load`, for every file of the bundle.
        VerificationError: token ids differ, or an answer lies beyond its tolerance.
    """
    bundle = Bundle.open(path)
    bundle.check()
    golden = json.loads((bundle.path / GOLDEN).read_bytes())
    findings = _replay_ids(bundle, golden)
    replays = [_replay(bundle, precision, golden) for precision in bundle.manifest.variants]
    for replay in replays:
        for what, difference in (("logits", replay.logit_difference), ("embeddings", replay.embedding_difference)):
            if difference is not None and not difference <= replay.tolerance:
                findings.append(f"{replay.precision} {what} differ by {difference:.2g}, allowed {replay.tolerance:.2g}")
    if findings:
        raise VerificationError(bundle.path, findings)
    return replays


def _replay_ids(bundle: Bundle, golden: dict[str, Any]) -> list[str]:
    batch = Tokenizer(bundle.path / TOKENIZER, bundle.manifest.max_tokens).encode(golden["texts"])
    rows = np.split(batch.input_ids, batch.offsets[1:-1])
    return [
        f"golden text {index}: token ids {row.tolist()}, recorded {expected}"
        for index, (row, expected) in enumerate(zip(rows, golden["input_ids"], strict=True))
        if row.tolist() != expected
    ]


def _replay(bundle: Bundle, precision: Precision, golden: dict[str, Any]) -> Replay:
    texts, expected = golden["texts"], golden["variants"][precision]
    embeddings = Encoder.load(bundle.path, precision=precision).embed(texts)
    logits = None
    if bundle.manifest.variants[precision].classifier is not None:
        logits = _difference(Classifier.load(bundle.path, precision=precision).logits(texts), expected["logits"])
    return Replay(precision, logits, _difference(embeddings, expected["embeddings"]), expected["tolerance"])


def _difference(actual: NDArray[np.float32], expected: list[list[float]]) -> float:
    return float(np.abs(actual - np.array(expected, np.float32)).max())
