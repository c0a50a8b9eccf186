"""Text to vectors: the model's body without its head."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .answers import numerics
from .bundle.manifest import Pooling
from .errors import IncompatibleError
from .inputs.arguments import Text, choice, flag
from .inputs.tokens import Batch, Tokenised
from .inputs.windows import Windows
from .model import Model
from .running import parallel
from .running.finite import finite
from .running.memory import give_back


@dataclass(frozen=True)
class Embeddings:
    """What an encoder answers to n texts.

    Attributes:
        vectors: float32 (n, hidden_size).
        truncated: bool (n,). True where a text was longer than the model takes, and the rest was not read.
        windows: int64 (n,). How many windows each text was read in.
    """

    vectors: NDArray[np.float32]
    truncated: NDArray[np.bool_]
    windows: NDArray[np.int64]


class Encoder(Model):
    """The body of a model: texts to hidden states, or to one vector each.

    Examples:
        >>> encoder = Encoder.load("models/sst2-mini")
        >>> encoder.embed(["good", "bad"]).shape
        (2, 384)
    """

    graph_kind = "encoder"

    def truncated(self, texts: Iterable[Text], *, windows: Windows | None = None) -> NDArray[np.bool_]:
        """Which texts are longer than the model takes, so that their end is not read: bool (n,).

        Raises:
            InputError: as in `embed`.
        """
        batch, offsets = self.tokenizer.encode_windows(texts, windows)
        return batch.truncated[offsets[:-1]]

    def hidden_states(self, texts: Iterable[Text]) -> list[NDArray[np.float32]]:
        """The last layer's state of every token.

        Returns:
            n arrays, float32 (tokens_i, hidden_size), special tokens included.

        Raises:
            InputError: texts is a bare str, a dict or a set, or an element is not a text, holds a lone surrogate, or
                is a pair that the model does not read.
            InferenceError: onnxruntime refused a batch, or the model answered NaN.
        """
        return parallel.rows_of_tokens(self.session, self.tokenizer.encode(texts))

    def padded(self, texts: Iterable[Text]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Hidden states as PyTorch models return them.

        Returns:
            float32 (n, longest, hidden_size), zero where a text has ended, and its attention mask, int64 (n, longest).

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
        """One vector per text.

        Args:
            texts: n texts, any iterable but a bare str. One longer than `manifest.max_tokens` tokens is cut;
                `truncated` and `answer` tell which.
            pooling: "mean" over all tokens, "max" of each dimension, or "cls" for the first token's state, as
                sentence-transformers defines them; None takes the manifest's.
            normalize: scale every vector to length 1, so that a dot product is the cosine; None takes the manifest's.
            windows: read a long text in windows instead of cutting it, and combine their vectors.

        Returns:
            float32 (n, hidden_size).

        Raises:
            InputError: as in `hidden_states`, or the pooling is unknown, or the windows do not fit.
            IncompatibleError: as in `require_vectors`.
            InferenceError: as in `hidden_states`.
        """
        return self.answer(texts, pooling=pooling, normalize=normalize, windows=windows).vectors

    def answer(
        self,
        texts: Iterable[Text] | Tokenised,
        *,
        pooling: Pooling | None = None,
        normalize: bool | None = None,
        windows: Windows | None = None,
    ) -> Embeddings:
        """The vectors of `embed`, and how much of each text they come from.

        Texts may have been tokenised already, with the same windows.

        Raises:
            InputError, IncompatibleError, InferenceError: as in `embed`.
        """
        self.require_vectors(pooling)
        pool = numerics.POOLINGS[self._pooling(pooling)]
        scale = self.manifest.normalize if normalize is None else flag(normalize, "normalize")
        batch, offsets = texts if isinstance(texts, Tokenised) else self.tokenizer.encode_windows(texts, windows)
        vectors = np.empty((len(batch.lengths), self.manifest.hidden_size), np.float32)
        for places, part, packed in parallel.run(self.session, batch):
            vectors[places] = pool(packed, part.offsets)
        vectors = numerics.combined(vectors, offsets, windows)
        if scale:
            vectors = numerics.normalize(vectors)
        finite(vectors)
        give_back(len(batch.lengths))
        return Embeddings(vectors, batch.truncated[offsets[:-1]], offsets[1:] - offsets[:-1])

    def pool(self, batch: Batch, *, pooling: Pooling | None = None) -> NDArray[np.float32]:
        """Vectors of one batch, run as it is: for callers that tokenise and batch themselves, as the server does.

        Returns:
            float32 (texts, hidden_size), at their own length: not normalised.

        Raises:
            InputError: the pooling is unknown.
            InferenceError: as in `hidden_states`.
        """
        return finite(numerics.POOLINGS[self._pooling(pooling)](self.session.run(batch), batch.offsets))

    def require_vectors(self, pooling: Pooling | None) -> None:
        """Refuse a reranker whose vectors nobody has asked for by name.

        It was trained to read query and document together: the vector of one text means little, and the same
        checkpoint ranks.

        Raises:
            IncompatibleError: the bundle ranks documents, and pooling is None.
        """
        if pooling is None and self.manifest.ranks:
            raise IncompatibleError(
                f"{self.manifest.source.name} ranks documents: it reads pairs and has one output. Rank with Reranker "
                "or with torchless rank. To get its vectors anyway, name a pooling: "
                f'pooling="{self.manifest.pooling}", or --pooling {self.manifest.pooling}.'
            )

    def _pooling(self, asked: Pooling | None) -> Pooling:
        pooling = self.manifest.pooling if asked is None else asked
        return choice(pooling, "pooling", tuple(numerics.POOLINGS))
