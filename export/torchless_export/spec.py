"""A transformer encoder as data: what a family reads from a checkpoint and the graph builder writes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# gelu is the exact one, with erf; gelu_tanh its approximation (Hendrycks & Gimpel, arXiv:1606.08415).
HiddenActivation = Literal["gelu", "gelu_tanh", "relu", "tanh"]


@dataclass(frozen=True)
class Linear:
    """x @ weight + bias; weight float32 (in, out), bias float32 (out,)."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True)
class Norm:
    """Layer normalisation over the last axis; scale and shift float32 (hidden_size,)."""

    scale: Floats
    shift: Floats
    epsilon: float


@dataclass(frozen=True)
class EmbeddingTables:
    """The sum of a row of each table, then the norm, then the projection.

    Attributes:
        word: float32 (vocabulary, embedding_size).
        position: float32 (max_positions, embedding_size), row 0 for a text's first token; None where
            attention alone knows positions. With `uncounted` one row more, and row 1 for the first token.
        norm: over embedding_size.
        token_type: float32 (types, embedding_size); None where a model has one type or none.
        projection: from embedding_size to hidden_size; None where they are the same.
        uncounted: the token that has row 0 of `position` wherever it stands, and that positions after it do not count:
            RoBERTa's padding, which a text can spell out; None where every token counts.
    """

    word: Floats
    position: Floats | None
    norm: Norm
    token_type: Floats | None = None
    projection: Linear | None = None
    uncounted: int | None = None


@dataclass(frozen=True)
class Rotary:
    """Rotary positions (Su et al., arXiv:2104.09864); cosine and sine float32 (max_positions, head_size / 2)."""

    cosine: Floats
    sine: Floats


@dataclass(frozen=True)
class Disentangled:
    """Scores of contents against relative positions (DeBERTa: He et al., arXiv:2006.03654).

    Attributes:
        key: what a query is scored against, float32 (heads, head_size, buckets), scaled as scores are; None for none.
        query: what a key is scored against, of the same shape; None for none.
    """

    key: Floats | None
    query: Floats | None


@dataclass(frozen=True)
class Layer:
    """One encoder layer: attention, then a feed-forward part, each with a residual and a norm.

    Attributes:
        attention_norm: None for a layer that reads its input as it is (ModernBERT's first).
        gate: what the activation of `up` is multiplied by; None for a part without a gate.
        rotary: turns queries and keys by their position.
        distance_bias: which of the spec's `distance_biases` is added to the scores; None for none of them.
        disentangled: the other kind of relative position; the spec's `distance_buckets` go with it.
    """

    query: Linear
    key: Linear
    value: Linear
    context: Linear
    attention_norm: Norm | None
    up: Linear
    down: Linear
    output_norm: Norm
    gate: Linear | None = None
    rotary: Rotary | None = None
    distance_bias: int | None = None
    disentangled: Disentangled | None = None


@dataclass(frozen=True)
class Head:
    """Logits from states: out(norm(activation(dense(x)))).

    Attributes:
        dense: None where `out` reads the states as they are, without an activation and a norm.
        activation: of `dense`.
        pooling: what x is: the first token's state, the mean over all tokens, or each token's own for "none".
        norm: None where there is none.
    """

    dense: Linear | None
    activation: HiddenActivation
    out: Linear
    pooling: Literal["first", "mean", "none"] = "first"
    norm: Norm | None = None


@dataclass(frozen=True)
class EncoderSpec:
    """A whole model.

    Attributes:
        attention_heads: each attends over hidden_size / attention_heads numbers, its head_size.
        activation: of the feed-forward part.
        max_positions: largest number of tokens in a text.
        head: None for a body alone.
        norm_first: x + f(norm(x)) instead of norm(x + f(x)).
        final_norm: after the last layer.
        distance_biases: tables of float32 (2 * max_positions - 1, heads or 1). One row per distance (the key's
            position minus the query's), from 1 - max_positions on.
        distance_buckets: int32 (2 * max_positions - 1,), the bucket of each distance; None where no layer
            reads it.
    """

    embeddings: EmbeddingTables
    layers: tuple[Layer, ...]
    attention_heads: int
    activation: HiddenActivation
    max_positions: int
    head: Head | None
    norm_first: bool = False
    final_norm: Norm | None = None
    distance_biases: tuple[Floats, ...] = ()
    distance_buckets: NDArray[np.int32] | None = None

    @property
    def hidden_size(self) -> int:
        """Numbers in a hidden state."""
        return int(self.layers[0].query.weight.shape[0])
