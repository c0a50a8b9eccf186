"""Text to vectors: the model's body without its head."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import numerics
from .bundle.manifest import Manifest, Pooling, Precision
from .errors import InputError
from .inputs.arguments import Text
from .inputs.tokens import Batch
from .inputs.windows import Windows
from .model import Device, Model, load
from .running import parallel as lists


@dataclass(frozen=True)
class Embeddings:
    """What an encoder answers to n texts.

    Attributes:
        vectors: float32 (n, dim).
        truncated: bool (n,). True where a text was longer than the model takes, and its end was not read.
        windows: int64 (n,). How many windows each text was read in.
    """

    vectors: NDArray[np.float32]
    truncated: NDArray[np.bool_]
    windows: NDArray[np.int64]


class Encoder:
    """The body of a model: texts to hidden states, or to one vector each.

    Examples:
        >>> encoder = Encoder.load("models/sst2-mini")
        >>> encoder.embed(["good", "bad"]).shape
        (2, 384)
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
    ) -> Encoder:
        """Load the headless graph of a bundle; arguments and errors as in `Classifier.load`."""
        return cls(load(path, "encoder", precision=precision, device=device, threads=threads, revision=revision))

    def limited(self, max_tokens: int) -> Encoder:
        """The same model, not loaded again, that cuts texts at fewer tokens.

        Args:
            max_tokens: special tokens included, at most `manifest.max_tokens`.

        Raises:
            InputError: it is more than that, or has no room for the special tokens.
        """
        return Encoder(self._model.limited(max_tokens))

    def truncated(self, texts: Iterable[Text], *, windows: Windows | None = None) -> NDArray[np.bool_]:
        """Which texts are longer than the model takes, so that their end is not read: bool (n,).

        Raises:
            InputError: as in `embed`.
        """
        batch, offsets = self._tokenizer.encode_windows(texts, windows)
        return batch.truncated[offsets[:-1]]

    def hidden_states(self, texts: Iterable[Text]) -> list[NDArray[np.float32]]:
        """The last layer's state of every token.

        Returns:
            n arrays, float32 (tokens_i, dim), special tokens included.

        Raises:
            InputError: texts is a bare str, a dict or a set, or an element is not a text, holds a lone surrogate, or
                is a pair that the model does not read.
            InferenceError: onnxruntime refused a batch, or the model answered NaN.
        """
        batch = self._tokenizer.encode(texts)
        states: dict[int, NDArray[np.float32]] = {}
        for places, part, packed in lists.run(self._session, batch):  # packed: (tokens, dim)
            states.update(zip(places.tolist(), np.split(packed, part.offsets[1:-1]), strict=True))
        return [states[place] for place in range(len(states))]

    def padded(self, texts: Iterable[Text]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Hidden states as PyTorch models return them.

        Returns:
            float32 (n, longest, dim), zero where a text has ended, and its attention mask, int64 (n, longest).

        Raises:
            InputError, InferenceError: as in `hidden_states`.
        """
        states = self.hidden_states(texts)
        longest = max((len(rows) for rows in states), default=0)
        hidden = np.zeros((len(states), longest, self.manifest.hidden_size), np.float32)
        mask = np.zeros((len(states), longest), np.int64)
        for i, rows in enumerate(states):
            hidden[i, : len(rows)] = rows
            mask[i, : len(rows)] = 1
        return hidden, mask

    def embed(
        self,
        texts: Iterable[Text],
        *,
        pooling: Pooling | None = None,
        normalize: bool | None = None,
        windows: Windows | None = None,
    ) -> NDArray[np.float32]:
        """One vector a text.

        Args:
            texts: n texts, any iterable but a bare str. One longer than `manifest.max_tokens` tokens is cut;
                `truncated` and `answer` tell which.
            pooling: "mean" over all tokens, "max" of each dimension, or "cls" for the first token's state, as
                sentence-transformers defines them; None takes the manifest's.
            normalize: scale every vector to length 1, so that a dot product is the cosine; None takes the manifest's.
            windows: read a long text in windows instead of cutting it, and combine their vectors.

        Returns:
            float32 (n, dim).

        Raises:
            InputError: as in `hidden_states`, or the pooling is unknown, or the windows do not fit.
            InferenceError: as in `hidden_states`.
        """
        return self.answer(texts, pooling=pooling, normalize=normalize, windows=windows).vectors

    def answer(
        self,
        texts: Iterable[Text],
        *,
        pooling: Pooling | None = None,
        normalize: bool | None = None,
        windows: Windows | None = None,
    ) -> Embeddings:
        """The vectors of `embed`, and how much of each text they come from.

        Raises:
            InputError, InferenceError: as in `embed`.
        """
        pool = self._pool(pooling)
        batch, offsets = self._tokenizer.encode_windows(texts, windows)
        vectors = numerics.combined(self._vectors(batch, pool), offsets, windows)
        if self.manifest.normalize if normalize is None else normalize:
            vectors = numerics.normalize(vectors)
        return Embeddings(vectors, batch.truncated[offsets[:-1]], np.diff(offsets))

    def _pool(self, asked: Pooling | None) -> numerics.Pool:
        pooling = self.manifest.pooling if asked is None else asked
        if pooling not in tuple(numerics.POOLINGS):  # which asks no list for its hash
            raise InputError(f"pooling: expected one of {', '.join(numerics.POOLINGS)}, got {pooling!r}.")
        return numerics.POOLINGS[pooling]

    def _vectors(self, batch: Batch, pool: numerics.Pool) -> NDArray[np.float32]:
        vectors = np.empty((len(batch.lengths), self.manifest.hidden_size), np.float32)
        for places, part, packed in lists.run(self._session, batch):
            vectors[places] = pool(packed, part.offsets)
        return vectors
