"""ALBERT (Lan et al., arXiv:1909.11942): layers that share their weights, narrower embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torchless.bundle.manifest import GraphKind
from torchless_export.spec import EncoderSpec, Layer
from torchless_export.tensors import Tensors

from . import bert
from .names import HeadNames, LayerNames, Sizes
from .random_checkpoint import RandomCheckpoint
from .reading import activation, expect

_LAYER = LayerNames(
    query="attention.query",
    key="attention.key",
    value="attention.value",
    context="attention.dense",
    attention_norm="attention.LayerNorm",
    up="ffn",
    down="ffn_output",
    output_norm="full_layer_layer_norm",
)
_HEAD = HeadNames("Albert", dense="pooler", out="classifier")
_UNREAD: Mapping[GraphKind, tuple[str, ...]] = {
    "classifier": (),
    "token_classifier": ("pooler.",),
    "encoder": ("pooler.", "predictions.", "sop_classifier.", "classifier."),
}


def read(config: Mapping[str, Any], tensors: Tensors, kind: GraphKind) -> EncoderSpec:
    """Read an ALBERT with the head of a kind, or the body of any."""
    body = tensors.prefix("albert.", "embeddings.word_embeddings.weight")
    hidden_size, embedding_size = config["hidden_size"], config["embedding_size"]
    expect(config, position_embedding_type="absolute", pruned_heads={})
    head = _HEAD.read(kind, tensors, hidden_size, body)
    projection = tensors.linear(f"{body}encoder.embedding_hidden_mapping_in", embedding_size, hidden_size)
    embeddings = bert.embeddings(config, tensors, f"{body}embeddings", embedding_size)
    spec = EncoderSpec(
        head=head,
        embeddings=replace(embeddings, projection=projection),
        layers=_layers(config, tensors, f"{body}encoder.albert_layer_groups"),
        attention_heads=config["num_attention_heads"],
        activation=activation(config, "hidden_act", "gelu_new"),
        max_positions=config["max_position_embeddings"],
    )
    tensors.find_unread(body, ("qa_outputs.", *bert.BUFFERS, *_UNREAD[kind]))
    return spec


def _layers(config: Mapping[str, Any], tensors: Tensors, name: str) -> tuple[Layer, ...]:
    """All layers in the order they run in; those that share weights are one object."""
    count, groups, inner = (
        config.get(field, default)
        for field, default in (("num_hidden_layers", 12), ("num_hidden_groups", 1), ("inner_group_num", 1))
    )
    sizes = Sizes.of(config)
    kept = [
        [_LAYER.read(tensors, f"{name}.{group}.albert_layers.{index}", sizes) for index in range(inner)]
        for group in range(groups)
    ]
    return tuple(shared for index in range(count) for shared in kept[int(index / (count / groups))])


FAMILIES = {"albert": read}
RANDOM_CHECKPOINTS = {
    "albert": RandomCheckpoint("albert", settings={"max_position_embeddings": 64, "embedding_size": 16}, type_ids=True),
    "albert, groups": RandomCheckpoint(
        "albert",
        settings={
            "max_position_embeddings": 64,
            "embedding_size": 16,
            "num_hidden_layers": 4,
            "num_hidden_groups": 2,
            "inner_group_num": 2,
        },
    ),
}
