"""ModernBERT (Warner et al., arXiv:2412.13663): norms first, rotary positions, gated feed-forward, local attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from torchless.bundle.manifest import GraphKind
from torchless_export.errors import UnsupportedModelError
from torchless_export.spec import EmbeddingTables, EncoderSpec, Floats, Head, Layer, Rotary
from torchless_export.tensors import Tensors

from .names import HeadNames, LayerNames, Share, Sizes
from .random_checkpoint import RandomCheckpoint
from .reading import activation, expect, longest_text

_LAYER = LayerNames(
    query=Share("attn.Wqkv", 0, of=3),
    key=Share("attn.Wqkv", 1, of=3),
    value=Share("attn.Wqkv", 2, of=3),
    context="attn.Wo",
    attention_norm="attn_norm",
    up=Share("mlp.Wi", 0, of=2),
    down="mlp.Wo",
    output_norm="mlp_norm",
    gate=Share("mlp.Wi", 1, of=2),
    optional_biases=True,  # by default there are none
)
_HEAD = HeadNames("ModernBert", dense="head.dense", out="classifier", every_dense="head.dense")
_POOLINGS: Mapping[str, Literal["first", "mean"]] = {"cls": "first", "mean": "mean"}
_OUTSIDE_THE_WINDOW = -1e9  # a score that softmax makes 0
_ALL = -1  # a window of so many tokens to each side has no end


def read(config: Mapping[str, Any], tensors: Tensors, kind: GraphKind) -> EncoderSpec:
    """Read a ModernBERT with the head of a kind, or the body of any."""
    body = tensors.prefix("model.", "embeddings.tok_embeddings.weight")
    sizes = Sizes(config["hidden_size"], config["intermediate_size"], config.get("norm_eps", 1e-5))
    max_positions = longest_text(config)
    spec = EncoderSpec(
        head=None if kind == "encoder" else _head(config, tensors, kind, sizes),
        embeddings=EmbeddingTables(
            word=tensors.array(f"{body}embeddings.tok_embeddings.weight", config["vocab_size"], sizes.hidden),
            position=None,
            norm=tensors.norm(f"{body}embeddings.norm", sizes.hidden, sizes.epsilon, optional_bias=True),
        ),
        layers=_layers(config, tensors, f"{body}layers", sizes),
        attention_heads=config["num_attention_heads"],
        activation=activation(config, "hidden_activation"),
        max_positions=max_positions,
        norm_first=True,
        final_norm=tensors.norm(f"{body}final_norm", sizes.hidden, sizes.epsilon, optional_bias=True),
        distance_biases=(_window(config.get("local_attention", 128) // 2, max_positions),),
    )
    tensors.find_unread(body, ("head.", "decoder.", "classifier.") if kind == "encoder" else ())
    return spec


def _head(config: Mapping[str, Any], tensors: Tensors, kind: GraphKind, sizes: Sizes) -> Head:
    """The same parts for texts and for tokens."""
    _HEAD.require(kind, tensors)
    return Head(
        dense=tensors.linear(_HEAD.dense, sizes.hidden, sizes.hidden, optional_bias=True),
        activation=activation(config, "classifier_activation"),
        out=tensors.linear(_HEAD.out, sizes.hidden, None),
        pooling=_pooling(config) if kind == "classifier" else "none",
        norm=tensors.norm("head.norm", sizes.hidden, sizes.epsilon, optional_bias=True),
    )


def _pooling(config: Mapping[str, Any]) -> Literal["first", "mean"]:
    pooling = config.get("classifier_pooling", "cls")
    if pooling not in _POOLINGS:
        raise UnsupportedModelError(f"config.json, classifier_pooling: expected cls or mean, got {pooling!r}.")
    return _POOLINGS[pooling]


def _layers(config: Mapping[str, Any], tensors: Tensors, name: str, sizes: Sizes) -> tuple[Layer, ...]:
    turns = {kind: _rotary(config, kind) for kind in ("full_attention", "sliding_attention")}
    windowed = config.get("local_attention", 128) // 2 != _ALL

    def layer(index: int, kind: str) -> Layer:
        # The first layer reads the embeddings, which a norm has already left.
        names = _LAYER if index else replace(_LAYER, attention_norm=None)
        read = names.read(tensors, f"{name}.{index}", sizes)
        return replace(read, rotary=turns[kind], distance_bias=0 if windowed and kind == "sliding_attention" else None)

    return tuple(layer(index, kind) for index, kind in enumerate(_kinds(config)))


def _kinds(config: Mapping[str, Any]) -> list[str]:
    """Each layer's kind of attention, as transformers 5 saves it or as 4 computes it."""
    count, every = config["num_hidden_layers"], config.get("global_attn_every_n_layers", 3)
    kinds = config.get("layer_types") or ["sliding_attention" if i % every else "full_attention" for i in range(count)]
    if len(kinds) != count or set(kinds) - {"full_attention", "sliding_attention"}:
        raise UnsupportedModelError(
            f"config.json, layer_types: expected full_attention or sliding_attention for {count} layers, got {kinds}."
        )
    return list(kinds)


def _rotary(config: Mapping[str, Any], kind: str) -> Rotary:
    """Angles position · theta^(-2i / head size), computed in float32 as PyTorch does."""
    parameters = (config.get("rope_parameters") or {}).get(kind)  # transformers 5
    if parameters is None:
        expect(config, rope_scaling=None)
        theta = config.get("local_rope_theta", 10000.0) if kind == "sliding_attention" else None
        if theta is None:  # in config.json, too: then it is the other layers'
            theta = config.get("global_rope_theta", 160000.0)
        parameters = {"rope_theta": theta}
    expect(parameters, rope_type="default")
    size = config["hidden_size"] // config["num_attention_heads"]
    exponents = (np.arange(0, size, 2) / size).astype(np.float32)
    inverse = np.float32(1) / np.power(np.float32(parameters["rope_theta"]), exponents)  # (head size / 2,)
    angles = np.arange(longest_text(config), dtype=np.float32)[:, None] * inverse
    return Rotary(np.cos(angles), np.sin(angles))


def _window(reach: int, max_positions: int) -> Floats:
    """A distance bias that lets a token see `reach` tokens to each side."""
    distances = np.abs(np.arange(1 - max_positions, max_positions))
    return np.where(distances <= reach, 0, _OUTSIDE_THE_WINDOW).astype(np.float32)[:, None]


FAMILIES = {"modernbert": read}
RANDOM_CHECKPOINTS = {
    # Four layers: the first and the last see everything, the two between them 8 tokens to each side.
    "modernbert": RandomCheckpoint(
        "modernbert", settings={"max_position_embeddings": 64, "local_attention": 16, "num_hidden_layers": 4}
    ),
    "modernbert, mean": RandomCheckpoint(
        "modernbert",
        settings={
            "max_position_embeddings": 64,
            "local_attention": 16,
            "num_hidden_layers": 3,
            "classifier_pooling": "mean",
            "attention_bias": True,
            "mlp_bias": True,
            "norm_bias": True,
            "classifier_bias": True,
        },
    ),
}
