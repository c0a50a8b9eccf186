"""Text to label, in one screen: texts become tokens, tokens logits, logits scores, scores predictions."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arguments import whole_number
from .loading import Device, Model, load
from .manifest import Manifest, Precision
from .numerics import ACTIVATIONS
from .plan import cut
from .tokens import Batch


@dataclass(frozen=True)
class Prediction:
    """A label and its score.

    Attributes:
        label: one of the manifest's labels.
        score: in [0, 1] for softmax and sigmoid; any number for a regression.
        truncated: the text was longer than the model takes, and its end was not read.
    """

    label: str
    score: float
    truncated: bool


class Classifier:
    """A text classifier.

    >>> classifier = Classifier.load("models/sst2-mini")
    >>> [p.label for p in classifier.predict(["I hate this so much", "What a delight"])]
    ['NEGATIVE', 'POSITIVE']
    """

    def __init__(self, model: Model) -> None:
        self.manifest: Manifest = model.manifest
        self.precision: Precision = model.precision
        self._tokenizer = model.tokenizer
        self._session = model.session

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        precision: str = "auto",
        device: Device = "cpu",
        threads: int | None = None,
        revision: str | None = None,
    ) -> Classifier:
        """Load a bundle after checking that every file it needs is what was exported.

        Args:
            path: a folder, the name of an installed model package, or a Hub id, as in `Bundle.open`.
            precision: "fp32", "int8", or "auto" for the bundle's default.
            device: "cpu" or "cuda"; a missing GPU is an error, never a silent run on the CPU.
            threads: threads of one run of the graph, 1 to 1024; None takes CPU affinity ∩ cgroup quota. The tokenizer
                has threads of its own, for lists of texts; RAYON_NUM_THREADS in the environment bounds them.
            revision: branch, tag or commit of a Hub id; None is its main branch.

        Raises:
            BundleNotFoundError: there is no bundle at `path`.
            BundleError: a file of it cannot be read.
            ManifestError, IntegrityError: the bundle was altered.
            IncompatibleError: the bundle has no head (use `Encoder`), or not that precision.
            InputError: precision, device or threads is not one of those above, or a revision of what has none.
            DeviceError: the device is not there, or has no kernels for the precision.
            InferenceError: onnxruntime cannot load the graph; the cause is chained.
            MissingExtraError, OutputError: a Hub id, and huggingface_hub is not installed or its cache is not writable.
        """
        return cls(load(path, "classifier", precision=precision, device=device, threads=threads, revision=revision))

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names, in the order of the columns of `logits` and `scores`."""
        return self.manifest.labels

    def predict(self, texts: Iterable[str]) -> list[Prediction]:
        """The best label of every text.

        Args:
            texts: n texts, any iterable but a bare str. One longer than `manifest.max_tokens` tokens is cut, and its
                prediction says so.

        Returns:
            n predictions, in the order of the texts.

        Raises:
            InputError: texts is a bare str, a dict or a set, or an element is not a str or holds a lone surrogate.
            InferenceError: onnxruntime refused a batch, or the model answered NaN.
        """
        return [best for (best,) in self.rank(texts, top_k=1)]

    def rank(self, texts: Iterable[str], *, top_k: int | None = None) -> list[list[Prediction]]:
        """The `top_k` best labels of every text, best first; all of them for None.

        Raises:
            InputError: as in `predict`, or top_k is less than 1.
            InferenceError: as in `predict`.
        """
        if top_k is not None:
            top_k = whole_number(top_k, "top_k", "a whole number of 1 or more, or None for all", sys.maxsize)
        batch = self._tokenizer.encode(texts)
        scores = ACTIVATIONS[self.manifest.activation](self._logits(batch))
        best = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]  # (n, top_k)
        return [
            [Prediction(self.labels[i], float(row[i]), bool(truncated)) for i in columns]
            for row, columns, truncated in zip(scores, best, batch.truncated, strict=True)
        ]

    def scores(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Every label's score for every text.

        Returns:
            float32 (n, labels). Rows sum to 1 where the manifest says "softmax", each value lies in [0, 1] where it
            says "sigmoid", and they are the logits where it says "none".

        Raises:
            InputError, InferenceError: as in `predict`.
        """
        return ACTIVATIONS[self.manifest.activation](self.logits(texts))

    def logits(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """What the graph answers, untouched: float32 (n, labels).

        Raises:
            InputError, InferenceError: as in `predict`.
        """
        return self._logits(self._tokenizer.encode(texts))

    def _logits(self, batch: Batch) -> NDArray[np.float32]:
        logits = np.empty((len(batch.lengths), len(self.labels)), np.float32)
        for places, part in cut(batch, padded=self._session.padded):
            logits[places] = self._session.run(part)
        return logits
