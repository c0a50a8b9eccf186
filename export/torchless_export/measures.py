"""Which texts an export takes and what it measures on them, for each kind of model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torchless.bundle.manifest import GraphKind

from . import quality, samples
from .reports import Accuracy, QualityReport
from .samples import Texts
from .tagging import measures as tagging
from .tagging import samples as tagged_samples


@dataclass(frozen=True)
class Measures:
    """Of one kind.

    Attributes:
        texts: as `samples.choose`.
        quality: as `quality.measure_quality`.
        accuracy: as `quality.measure_accuracy`.
    """

    texts: Callable[..., Texts]
    quality: Callable[..., QualityReport]
    accuracy: Callable[..., Accuracy]


_OF_TEXTS = Measures(samples.choose, quality.measure_quality, quality.measure_accuracy)
_OF_TOKENS = Measures(tagged_samples.choose, tagging.measure_quality, tagging.measure_accuracy)


def measures_of(kind: GraphKind) -> Measures:
    """Those of models that label texts, or nothing, or tokens."""
    return _OF_TOKENS if kind == "token_classifier" else _OF_TEXTS
