"""Text to labelled tokens: texts become tokens, tokens logits, logits scores, scores spans."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .answers.numerics import softmax
from .inputs.arguments import Text
from .inputs.tokens import Batch
from .model import Model
from .running import parallel


class TokenClassifier(Model):
    """A tagger: it finds names, places, personal data or parts of speech in a text."""

    graph_kind = "token_classifier"

    @property
    def labels(self) -> tuple[str, ...]:
        """Tags, in the order of the columns of `logits` and `scores`."""
        return self.manifest.labels

    def logits(self, texts: Iterable[Text]) -> list[NDArray[np.float32]]:
        """What the graph answers, before the softmax.

        Args:
            texts: n texts, any iterable but a bare str. One longer than `manifest.max_tokens` tokens is cut;
                `truncated` tells which.

        Returns:
            n arrays, float32 (tokens_i, labels), special tokens included.

        Raises:
            InputError: texts is a bare str, a dict or a set, or an element is not a text, or holds a lone surrogate.
            InferenceError: onnxruntime refused a batch, or the model answered NaN.
        """
        batch = self.tokenizer.encode(texts)
        return np.split(self._rows(batch), batch.offsets[1:-1]) if len(batch.lengths) else []

    def scores(self, texts: Iterable[Text]) -> list[NDArray[np.float32]]:
        """Every label's score for every token: as `logits`, after the softmax, so that each row sums to 1.

        Raises:
            InputError, InferenceError: as in `logits`.
        """
        return [softmax(rows) for rows in self.logits(texts)]

    def truncated(self, texts: Iterable[Text]) -> NDArray[np.bool_]:
        """Which texts are longer than the model takes, so that `logits` and `scores` do not tell of all: bool (n,).

        Raises:
            InputError: as in `logits`.
        """
        return self.tokenizer.encode(texts).truncated

    def _rows(self, batch: Batch) -> NDArray[np.float32]:
        """The logits of a batch of any size: float32 (tokens, labels)."""
        logits = np.empty((len(batch.input_ids), len(self.labels)), np.float32)
        for places, part, rows in parallel.run(self.session, batch):  # rows: (tokens of the part, labels)
            for place, text in zip(places.tolist(), np.split(rows, part.offsets[1:-1]), strict=True):
                logits[batch.offsets[place] : batch.offsets[place + 1]] = text
        return logits
