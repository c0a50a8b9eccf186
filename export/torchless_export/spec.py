"""A transformer encoder as data: what a family reads from a checkpoint and the graph builder writes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Activation = Literal["gelu", "relu"]


@dataclass(frozen=True)
class Linear:
    """x @ weight + bias; weight float32 (in, out), bias float32 (out,)."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True)
class Norm:
    """Layer normalisation over the last axis; scale and shift float32 (dim,)."""

    scale: Floats
    shift: Floats
    epsilon: float


@dataclass(frozen=True)
class Embeddings:
    """word float32 (vocabulary, dim) plus position float32 (max_positions, dim), then the norm."""

    word: Floats
    position: Floats
    norm: Norm


@dataclass(frozen=True)
class Layer:
    """One post-norm encoder layer: norm(x + attention(x)), then norm(x + down(activation(up(x))))."""

    query: Linear
    key: Linear
    value: Linear
    context: Linear
    attention_norm: Norm
    up: Linear
    down: Linear
    output_norm: Norm


@dataclass(frozen=True)
class Head:
    """Logits from the first token's state: out(activation(dense(x)))."""

    dense: Linear
    activation: Activation
    out: Linear


@dataclass(frozen=True)
class EncoderSpec:
    """A whole model.

    Attributes:
        attention_heads: each attends over dim / attention_heads channels.
        activation: of the feed-forward part.
        head: None for a body alone.
    """

    embeddings: Embeddings
    layers: tuple[Layer, ...]
    attention_heads: int
    activation: Activation
    head: Head | None

    @property
    def dim(self) -> int:
        """Width of the hidden states."""
        return int(self.embeddings.word.shape[1])

    @property
    def vocabulary(self) -> int:
        """Rows of the word table."""
        return int(self.embeddings.word.shape[0])

    @property
    def max_positions(self) -> int:
        """Most tokens a text may have."""
        return int(self.embeddings.position.shape[0])
