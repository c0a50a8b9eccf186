"""BERT, and the layers that many models took over from it (Devlin et al., arXiv:1810.04805)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchless.bundle.manifest import GraphKind
from torchless_export.spec import EmbeddingTables, EncoderSpec, Floats, Layer
from torchless_export.tensors import Tensors

from .names import HeadNames, LayerNames, Sizes
from .random_checkpoint import RandomCheckpoint
from .reading import activation, expect

LAYER = LayerNames(
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    context="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    output_norm="output.LayerNorm",
)
_HEAD = HeadNames("Bert", dense="pooler.dense", out="classifier")
# Heads of other tasks, and buffers that old versions of transformers saved.
NO_PART_OF_THE_BODY = ("cls.", "classifier.", "qa_outputs.")
BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")


def read(config: Mapping[str, Any], tensors: Tensors, kind: GraphKind) -> EncoderSpec:
    """Read a BERT with the head of a kind, or the body of any."""
    body = tensors.prefix("bert.", "embeddings.word_embeddings.weight")
    hidden_size = config["hidden_size"]
    expect_plain(config)
    spec = EncoderSpec(
        head=_HEAD.read(kind, tensors, hidden_size, body),
        embeddings=embeddings(config, tensors, f"{body}embeddings", hidden_size),
        layers=layers(config, tensors, f"{body}encoder.layer"),
        attention_heads=config["num_attention_heads"],
        activation=activation(config, "hidden_act"),
        max_positions=config["max_position_embeddings"],
    )
    unread = {"classifier": (), "token_classifier": ("pooler.",), "encoder": ("pooler.", *NO_PART_OF_THE_BODY)}
    tensors.find_unread(body, (*BUFFERS, *unread[kind]))
    return spec


def expect_plain(config: Mapping[str, Any]) -> None:
    """Refuse settings of BERT's config that the layers here do not implement."""
    expect(config, position_embedding_type="absolute", is_decoder=False, add_cross_attention=False, pruned_heads={})


def embeddings(
    config: Mapping[str, Any], tensors: Tensors, name: str, embedding_size: int, padding: int | None = None
) -> EmbeddingTables:
    """BERT's three tables.

    Args:
        config: config.json.
        tensors: the checkpoint's.
        name: the part's name in the checkpoint.
        embedding_size: numbers in a row of each table.
        padding: the padding token's id where positions are counted from the row after it on, as RoBERTa does.
    """
    positions = tensors.array(f"{name}.position_embeddings.weight", config["max_position_embeddings"], embedding_size)
    types: Floats | None = tensors.array(
        f"{name}.token_type_embeddings.weight", config.get("type_vocab_size", 2), embedding_size
    )
    if types is not None and len(types) == 1:  # one type for all tokens can be a part of every position
        positions, types = positions + types[0], None
    return EmbeddingTables(
        word=tensors.array(f"{name}.word_embeddings.weight", config["vocab_size"], embedding_size),
        position=positions[padding or 0 :],
        norm=tensors.norm(f"{name}.LayerNorm", embedding_size, config.get("layer_norm_eps", 1e-12)),
        token_type=types,
        uncounted=padding,
    )


def layers(config: Mapping[str, Any], tensors: Tensors, name: str) -> tuple[Layer, ...]:
    """BERT's layers, `name` being all of a layer's name but its number."""
    count, sizes = config["num_hidden_layers"], Sizes.of(config)
    return tuple(LAYER.read(tensors, f"{name}.{index}", sizes) for index in range(count))


FAMILIES = {"bert": read}
RANDOM_CHECKPOINTS = {
    "bert": RandomCheckpoint("bert", settings={"max_position_embeddings": 64}, type_ids=True),
    "bert, gelu_new": RandomCheckpoint(
        "bert", settings={"max_position_embeddings": 64, "hidden_act": "gelu_new"}, type_ids=True
    ),
}
