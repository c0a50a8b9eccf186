"""A bundle's variant with its head, loaded by the class that its kind asks for."""

from __future__ import annotations

from pathlib import Path

from torchless import Bundle, Classifier, TokenClassifier
from torchless.bundle.manifest import Precision


def with_head(folder: Path, precision: Precision) -> Classifier | TokenClassifier | None:
    """What answers logits per text, or per token of each text; None for a bundle without a head."""
    bundle = Bundle.open(folder)
    kind = bundle.manifest.variants[precision].kind
    if kind == "encoder":
        return None
    loader = TokenClassifier if kind == "token_classifier" else Classifier
    return loader.from_bundle(bundle, precision=precision)
