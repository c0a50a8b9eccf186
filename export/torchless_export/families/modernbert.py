"""ModernBERT (Warner et al., arXiv:2412.13663): norms first, rotary positions, gated feed-forward, local attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from torchless_export.errors import UnsupportedModelError
from torchless_export.spec import Embeddings, EncoderSpec, Floats, Head, Layer, Linear, Norm, Rotary
from torchless_export.tensors import Tensors

from .reading import activation, expect, require_head

_POOLINGS = {"cls": "first", "mean": "mean"}
_OUTSIDE_THE_WINDOW = -1e9  # a score that softmax makes 0


def read(config: Mapping[str, Any], tensors: Tensors, head: bool) -> EncoderSpec:
    """Read a ModernBertForSequenceClassification, or the body of any ModernBERT for `head=False`."""
    body = "model." if "model.embeddings.tok_embeddings.weight" in tensors else ""
    dim, epsilon, max_positions = config["hidden_size"], config.get("norm_eps", 1e-5), config["max_position_embeddings"]
    if head:
        require_head(tensors, "ModernBertForSequenceClassification", "head.dense.weight", "classifier.weight")
    spec = EncoderSpec(
        embeddings=Embeddings(
            word=tensors.array(f"{body}embeddings.tok_embeddings.weight", config["vocab_size"], dim),
            position=None,
            norm=_norm(tensors, f"{body}embeddings.norm", dim, epsilon),
        ),
        layers=_layers(config, tensors, f"{body}layers"),
        attention_heads=config["num_attention_heads"],
        activation=activation(config, "hidden_activation"),
        max_positions=max_positions,
        head=_head(config, tensors, dim) if head else None,
        norm_first=True,
        final_norm=_norm(tensors, f"{body}final_norm", dim, epsilon),
        distance_biases=(_window(config.get("local_attention", 128) // 2, max_positions),),
    )
    tensors.refuse_unused(known=() if head else ("head.", "decoder.", "classifier."))
    return spec


def _head(config: Mapping[str, Any], tensors: Tensors, dim: int) -> Head:
    pooling = config.get("classifier_pooling", "cls")
    if pooling not in _POOLINGS:
        raise UnsupportedModelError(f"config.json, classifier_pooling: expected cls or mean, got {pooling!r}.")
    return Head(
        dense=_linear(tensors, "head.dense", dim, dim),
        activation=activation(config, "classifier_activation"),
        out=tensors.linear("classifier", dim, None),
        pooling=_POOLINGS[pooling],  # type: ignore[arg-type]  # checked above
        norm=_norm(tensors, "head.norm", dim, config.get("norm_eps", 1e-5)),
    )


def _layers(config: Mapping[str, Any], tensors: Tensors, name: str) -> tuple[Layer, ...]:
    dim, hidden, epsilon = config["hidden_size"], config["intermediate_size"], config.get("norm_eps", 1e-5)
    turns = {kind: _rotary(config, kind) for kind in ("full_attention", "sliding_attention")}

    def layer(index: int, kind: str) -> Layer:
        prefix = f"{name}.{index}"
        query, key, value = _split(_linear(tensors, f"{prefix}.attn.Wqkv", dim, 3 * dim), 3)
        up, gate = _split(_linear(tensors, f"{prefix}.mlp.Wi", dim, 2 * hidden), 2)
        return Layer(
            query=query,
            key=key,
            value=value,
            context=_linear(tensors, f"{prefix}.attn.Wo", dim, dim),
            # The first layer reads the embeddings, which a norm has already left.
            attention_norm=_norm(tensors, f"{prefix}.attn_norm", dim, epsilon) if index else None,
            up=up,
            down=_linear(tensors, f"{prefix}.mlp.Wo", hidden, dim),
            output_norm=_norm(tensors, f"{prefix}.mlp_norm", dim, epsilon),
            gate=gate,
            rotary=turns[kind],
            distance_bias=0 if kind == "sliding_attention" else None,
        )

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
    """Angles position · theta^(-2i / head dim), computed in float32 as PyTorch does."""
    parameters = (config.get("rope_parameters") or {}).get(kind)  # transformers 5
    if parameters is None:
        expect(config, rope_scaling=None)
        field, default = ("global_rope_theta", 160000.0) if kind == "full_attention" else ("local_rope_theta", 10000.0)
        parameters = {"rope_theta": config.get(field) or config.get("global_rope_theta") or default}
    expect(parameters, rope_type="default")
    size = config["hidden_size"] // config["num_attention_heads"]
    exponents = (np.arange(0, size, 2) / size).astype(np.float32)
    inverse = np.float32(1) / np.power(np.float32(parameters["rope_theta"]), exponents)  # (head dim / 2,)
    angles = np.arange(config["max_position_embeddings"], dtype=np.float32)[:, None] * inverse
    return Rotary(np.cos(angles), np.sin(angles))


def _window(reach: int, max_positions: int) -> Floats:
    """A distance bias that lets a token see `reach` tokens to each side."""
    distances = np.abs(np.arange(1 - max_positions, max_positions))
    return np.where(distances <= reach, 0, _OUTSIDE_THE_WINDOW).astype(np.float32)[:, None]


def _linear(tensors: Tensors, name: str, inputs: int, outputs: int) -> Linear:
    """A product whose bias may be left out, as it is in all of ModernBERT's by default."""
    if f"{name}.bias" in tensors:
        return tensors.linear(name, inputs, outputs)
    weight = tensors.array(f"{name}.weight", outputs, inputs)
    return Linear(np.ascontiguousarray(weight.T), np.zeros(outputs, np.float32))


def _norm(tensors: Tensors, name: str, dim: int, epsilon: float) -> Norm:
    if f"{name}.bias" in tensors:
        return tensors.norm(name, dim, epsilon)
    return Norm(tensors.array(f"{name}.weight", dim), np.zeros(dim, np.float32), epsilon)


def _split(linear: Linear, parts: int) -> list[Linear]:
    """One product as several of equal width."""
    weights, biases = np.split(linear.weight, parts, axis=1), np.split(linear.bias, parts)
    return [Linear(np.ascontiguousarray(weight), bias) for weight, bias in zip(weights, biases, strict=True)]
