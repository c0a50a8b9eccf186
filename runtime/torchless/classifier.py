"""Text to label, in one screen: texts become tokens, tokens logits, logits scores, scores predictions."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .answers.numerics import ACTIVATIONS, combined
from .answers.ranking import Answers, Prediction, Ranking, Threshold
from .bundle.manifest import Activation
from .inputs.arguments import Text, choice
from .inputs.tokens import Batch, Tokenised
from .inputs.windows import Windows
from .model import Model
from .running import parallel
from .running.finite import finite
from .running.memory import give_back


class Classifier(Model):
    """A text classifier.

    Examples:
        >>> classifier = Classifier.load("models/sst2-mini")
        >>> [p.label for p in classifier.predict(["I hate this so much", "What a delight"])]
        ['NEGATIVE', 'POSITIVE']
    """

    graph_kind = "classifier"

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
        answers = self.answer(texts, activation=activation, windows=windows)
        return [best for (best,) in Ranking(self.labels, self._activation(activation), top_k=1).of(answers)]

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
            top_k: at most this many labels per text; None for all.
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
        """What the graph answers, before any activation: float32 (n, labels).

        Raises:
            InputError, InferenceError: as in `predict`.
        """
        return self.answer(texts, activation="none", windows=windows).scores

    def answer(
        self,
        texts: Iterable[Text] | Tokenised,
        *,
        activation: Activation | None = None,
        windows: Windows | None = None,
    ) -> Answers:
        """Scores, and how much of each text they come from: what all methods above are made of.

        Texts may have been tokenised already, with the same windows.

        Raises:
            InputError, InferenceError: as in `predict`.
        """
        activate = ACTIVATIONS[self._activation(activation)]
        batch, offsets = texts if isinstance(texts, Tokenised) else self.tokenizer.encode_windows(texts, windows)
        logits = np.empty((len(batch.lengths), len(self.labels)), np.float32)
        for places, _, rows in parallel.run(self.session, batch):
            logits[places] = rows
        scores = finite(combined(activate(logits), offsets, windows))
        give_back(len(logits))
        return Answers(scores, batch.truncated[offsets[:-1]], offsets[1:] - offsets[:-1])

    def score(self, batch: Batch, *, activation: Activation | None = None) -> NDArray[np.float32]:
        """Scores of one batch, run as it is: for callers that tokenise and batch themselves, as the server does.

        Returns:
            float32 (texts, labels).

        Raises:
            InputError: the activation is unknown.
            InferenceError: as in `predict`.
        """
        return finite(ACTIVATIONS[self._activation(activation)](self.session.run(batch)))

    def _activation(self, asked: Activation | None) -> Activation:
        if asked is None:
            return self.manifest.activation
        return choice(asked, "activation", tuple(ACTIVATIONS))
