"""Text to label, in one screen: texts become tokens, tokens logits, logits scores, scores predictions."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .bundle.manifest import Activation, Manifest, Precision
from .errors import InputError
from .inputs.arguments import Text
from .inputs.tokens import Batch
from .inputs.windows import Windows
from .model import Device, Model, load
from .numerics import ACTIVATIONS, combined
from .ranking import Answers, Prediction, Ranking, Threshold
from .running import parallel as lists


class Classifier:
    """A text classifier.

    Examples:
        >>> classifier = Classifier.load("models/sst2-mini")
        >>> [p.label for p in classifier.predict(["I hate this so much", "What a delight"])]
        ['NEGATIVE', 'POSITIVE']
    """

    def __init__(self, model: Model) -> None:
        self.manifest: Manifest = model.manifest
        self.precision: Precision = model.precision
        self._model = model
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
            precision: "fp32", "fp16", "int8", or "auto": the bundle's default, and on a GPU fp16 where it is there.
            device: "cpu" or "cuda"; a missing GPU is an error, never a silent run on the CPU.
            threads: CPU threads, 1 to 1024; None takes CPU affinity ∩ cgroup quota. A few texts share them, the batches
                of a long list take one each. The tokenizer has threads of its own, for lists of texts;
                RAYON_NUM_THREADS in the environment bounds them.
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

    def limited(self, max_tokens: int) -> Classifier:
        """The same model, not loaded again, that cuts texts at fewer tokens.

        Args:
            max_tokens: special tokens included, at most `manifest.max_tokens`.

        Raises:
            InputError: it is more than that, or has no room for the special tokens.
        """
        return Classifier(self._model.limited(max_tokens))

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names, in the order of the columns of `logits` and `scores`."""
        return self.manifest.labels

    def predict(
        self,
        texts: Iterable[Text],
        *,
        activation: Activation | None = None,
        windows: Windows | None = None,
    ) -> list[Prediction]:
        """The best label of every text.

        Args:
            texts: n texts, any iterable but a bare str; a `TextPair` is one, where the model reads pairs. One longer
                than `manifest.max_tokens` tokens is cut, and its prediction says so.
            activation: "softmax", "sigmoid" or "none" instead of the manifest's.
            windows: read a long text in windows instead of cutting it; the prediction says how many there were.

        Returns:
            n predictions, in the order of the texts.

        Raises:
            InputError: texts is a bare str, a dict or a set, or an element is not a text, holds a lone surrogate, or
                is a pair that the model does not read; the activation is unknown; or the windows do not fit.
            InferenceError: onnxruntime refused a batch, or the model answered NaN.
        """
        return [best for (best,) in self.rank(texts, top_k=1, activation=activation, windows=windows)]

    def rank(
        self,
        texts: Iterable[Text],
        *,
        top_k: int | None = None,
        threshold: Threshold | None = None,
        activation: Activation | None = None,
        windows: Windows | None = None,
    ) -> list[list[Prediction]]:
        """The labels of every text, best first.

        Args:
            texts: as in `predict`.
            top_k: at most so many a text; None for all.
            threshold: leave out what scores less: one number, or one for each label by name; from 0 to 1 unless the
                activation is "none".
            activation: as in `predict`.
            windows: as in `predict`.

        Raises:
            InputError: as in `predict`, or top_k is less than 1, or the threshold is out of its range, names a label
                that there is not, or leaves one out.
            InferenceError: as in `predict`.
        """
        ranking = Ranking(self.labels, self._activation(activation), top_k, threshold)
        return ranking.of(self.answer(texts, activation=activation, windows=windows))

    def scores(
        self,
        texts: Iterable[Text],
        *,
        activation: Activation | None = None,
        windows: Windows | None = None,
    ) -> NDArray[np.float32]:
        """Every label's score for every text.

        Returns:
            float32 (n, labels). Rows sum to 1 where the activation is "softmax", each value lies in [0, 1] where it
            is "sigmoid", and they are the logits where it is "none".

        Raises:
            InputError, InferenceError: as in `predict`.
        """
        return self.answer(texts, activation=activation, windows=windows).scores

    def logits(self, texts: Iterable[Text], *, windows: Windows | None = None) -> NDArray[np.float32]:
        """What the graph answers, untouched: float32 (n, labels).

        Raises:
            InputError, InferenceError: as in `predict`.
        """
        return self.scores(texts, activation="none", windows=windows)

    def answer(
        self,
        texts: Iterable[Text],
        *,
        activation: Activation | None = None,
        windows: Windows | None = None,
    ) -> Answers:
        """Scores, and how much of each text they come from: what all methods above are made of.

        Raises:
            InputError, InferenceError: as in `predict`.
        """
        activate = ACTIVATIONS[self._activation(activation)]
        batch, offsets = self._tokenizer.encode_windows(texts, windows)
        scores = combined(activate(self._logits(batch)), offsets, windows)
        return Answers(scores, batch.truncated[offsets[:-1]], np.diff(offsets))

    def _activation(self, asked: Activation | None) -> Activation:
        if asked is None:
            return self.manifest.activation
        if asked not in tuple(ACTIVATIONS):  # which asks no list for its hash
            raise InputError(f"activation: expected one of {', '.join(ACTIVATIONS)}, got {asked!r}.")
        return asked

    def _logits(self, batch: Batch) -> NDArray[np.float32]:
        logits = np.empty((len(batch.lengths), len(self.labels)), np.float32)
        for places, _, rows in lists.run(self._session, batch):
            logits[places] = rows
        return logits
