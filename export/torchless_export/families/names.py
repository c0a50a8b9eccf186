"""Tables of names: what the parts of a layer and of a head are called in a checkpoint, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchless.bundle.manifest import GraphKind
from torchless_export.errors import CheckpointError
from torchless_export.spec import Head, HiddenActivation, Layer, Linear
from torchless_export.tensors import Tensors


@dataclass(frozen=True)
class Share:
    """One of several products of equal size that a checkpoint keeps in one tensor, one after the other."""

    name: str
    index: int
    of: int


@dataclass(frozen=True)
class Sizes:
    """The sizes of a layer, and its norms' epsilon, whatever config.json calls them."""

    hidden: int
    intermediate: int
    epsilon: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Sizes:
        """The sizes by the names and with the default that BERT's config has."""
        return cls(config["hidden_size"], config["intermediate_size"], config.get("layer_norm_eps", 1e-12))


@dataclass(frozen=True)
class LayerNames:
    """The names of a layer's tensors, without the layer's own prefix and without ".weight" and ".bias".

    Attributes:
        query, key, value: the projections of the layer's input.
        context: the projection of the attention's output.
        attention_norm: None for a layer that has none.
        up, down: the two products of the feed-forward part.
        output_norm: the norm of the feed-forward part.
        gate: what the activation of `up` is multiplied by; None for a part without a gate.
        optional_biases: whether a checkpoint may leave biases out.
    """

    query: str | Share
    key: str | Share
    value: str | Share
    context: str
    attention_norm: str | None
    up: str | Share
    down: str
    output_norm: str
    gate: str | Share | None = None
    optional_biases: bool = False

    def read(
        self, tensors: Tensors, layer: str, sizes: Sizes, projections: tuple[Linear, Linear, Linear] | None = None
    ) -> Layer:
        """One layer of a checkpoint.

        Args:
            tensors: the checkpoint's.
            layer: the layer's prefix, without the last dot.
            sizes: expected.
            projections: query, key and value where the family has read them itself; their names are not looked up.
        """
        hidden, intermediate = sizes.hidden, sizes.intermediate

        def linear(name: str | Share, inputs: int, outputs: int) -> Linear:
            return self._linear(tensors, layer, name, inputs, outputs)

        query, key, value = projections or (linear(n, hidden, hidden) for n in (self.query, self.key, self.value))
        norms = {
            name: tensors.norm(f"{layer}.{name}", hidden, sizes.epsilon, optional_bias=self.optional_biases)
            for name in (self.attention_norm, self.output_norm)
            if name is not None
        }
        return Layer(
            query=query,
            key=key,
            value=value,
            context=linear(self.context, hidden, hidden),
            attention_norm=norms[self.attention_norm] if self.attention_norm else None,
            up=linear(self.up, hidden, intermediate),
            down=linear(self.down, intermediate, hidden),
            output_norm=norms[self.output_norm],
            gate=linear(self.gate, hidden, intermediate) if self.gate else None,
        )

    def _linear(self, tensors: Tensors, layer: str, name: str | Share, inputs: int, outputs: int) -> Linear:
        whole = name if isinstance(name, str) else name.name
        parts = 1 if isinstance(name, str) else name.of
        linear = tensors.linear(f"{layer}.{whole}", inputs, parts * outputs, optional_bias=self.optional_biases)
        if isinstance(name, str):
            return linear
        columns = slice(name.index * outputs, (name.index + 1) * outputs)
        return Linear(np.ascontiguousarray(linear.weight[:, columns]), linear.bias[columns])


@dataclass(frozen=True)
class HeadNames:
    """The names of the tensors of an architecture's heads, in the order that they are used in.

    Attributes:
        model: what the names of transformers' classes begin with.
        dense: the product before the activation, in a classifier of texts.
        out: the product whose outputs are the logits, in a classifier of texts.
        activation: between the two.
        every: the product whose outputs are the logits, in a classifier of tokens.
        every_dense: the product before it, in a classifier of tokens; None where there is none.
    """

    model: str
    dense: str
    out: str
    activation: HiddenActivation = "tanh"
    every: str = "classifier"
    every_dense: str | None = None

    def require(self, kind: GraphKind, tensors: Tensors, body: str = "") -> None:
        """Refuse a checkpoint without these tensors.

        Args:
            kind: which of the heads is read.
            tensors: the checkpoint's.
            body: the prefix of `dense` where it is a part of the body.

        Raises:
            CheckpointError: one is missing; the message says what would add it.
        """
        tagger = kind == "token_classifier"
        parts = (self.every_dense, self.every) if tagger else (f"{body}{self.dense}", self.out)
        names = [f"{part}.weight" for part in parts if part]
        if missing := [name for name in names if name not in tensors]:
            raise CheckpointError(
                f"the checkpoint has no {'token ' if tagger else ''}classification head: {' and '.join(missing)} "
                f"missing. Fine-tune it with {self.model}For{'Token' if tagger else 'Sequence'}Classification first, "
                "or export the body alone with --encoder-only."
            )

    def read(self, kind: GraphKind, tensors: Tensors, hidden_size: int, body: str = "") -> Head | None:
        """The head of a checkpoint, None for the body alone; arguments and errors as in `require`."""
        if kind == "encoder":
            return None
        self.require(kind, tensors, body)
        if kind == "token_classifier":
            return Head(None, self.activation, tensors.linear(self.every, hidden_size, None), pooling="none")
        dense = tensors.linear(f"{body}{self.dense}", hidden_size, hidden_size)
        return Head(dense, self.activation, tensors.linear(self.out, hidden_size, None))
