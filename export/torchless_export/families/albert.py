"""ALBERT (Lan et al., arXiv:1909.11942): layers that share their weights, narrower embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torchless_export.spec import EncoderSpec, Head, Layer
from torchless_export.tensors import Tensors

from . import bert
from .reading import activation, expect, require_head


def read(config: Mapping[str, Any], tensors: Tensors, head: bool) -> EncoderSpec:
    """Read an AlbertForSequenceClassification, or the body of any ALBERT for `head=False`."""
    body = "albert." if "albert.embeddings.word_embeddings.weight" in tensors else ""
    dim, width = config["hidden_size"], config["embedding_size"]
    expect(config, position_embedding_type="absolute", pruned_heads={})
    if head:
        require_head(tensors, "AlbertForSequenceClassification", f"{body}pooler.weight", "classifier.weight")
    projection = tensors.linear(f"{body}encoder.embedding_hidden_mapping_in", width, dim)
    spec = EncoderSpec(
        embeddings=replace(bert.embeddings(config, tensors, f"{body}embeddings", width), projection=projection),
        layers=_layers(config, tensors, f"{body}encoder.albert_layer_groups"),
        attention_heads=config["num_attention_heads"],
        activation=activation(config, "hidden_act", "gelu_new"),
        max_positions=config["max_position_embeddings"],
        head=Head(tensors.linear(f"{body}pooler", dim, dim), "tanh", tensors.linear("classifier", dim, None))
        if head
        else None,
    )
    unread = bert.BUFFERS if head else (*bert.BUFFERS, "pooler.", "predictions.", "sop_classifier.", "classifier.")
    tensors.refuse_unused(known=[*unread, *(f"{body}{name}" for name in unread), "qa_outputs."])
    return spec


def _layers(config: Mapping[str, Any], tensors: Tensors, name: str) -> tuple[Layer, ...]:
    """All layers in the order they run in; those that share weights are one object."""
    count, groups, inner = (
        config.get(field, default)
        for field, default in (("num_hidden_layers", 12), ("num_hidden_groups", 1), ("inner_group_num", 1))
    )
    dim, hidden, epsilon = config["hidden_size"], config["intermediate_size"], config.get("layer_norm_eps", 1e-12)

    def layer(prefix: str) -> Layer:
        return Layer(
            query=tensors.linear(f"{prefix}.attention.query", dim, dim),
            key=tensors.linear(f"{prefix}.attention.key", dim, dim),
            value=tensors.linear(f"{prefix}.attention.value", dim, dim),
            context=tensors.linear(f"{prefix}.attention.dense", dim, dim),
            attention_norm=tensors.norm(f"{prefix}.attention.LayerNorm", dim, epsilon),
            up=tensors.linear(f"{prefix}.ffn", dim, hidden),
            down=tensors.linear(f"{prefix}.ffn_output", hidden, dim),
            output_norm=tensors.norm(f"{prefix}.full_layer_layer_norm", dim, epsilon),
        )

    kept = [[layer(f"{name}.{group}.albert_layers.{index}") for index in range(inner)] for group in range(groups)]
    return tuple(shared for index in range(count) for shared in kept[int(index / (count / groups))])
