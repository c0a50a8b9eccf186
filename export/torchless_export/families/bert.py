"""BERT, and the layers that many models took over from it (Devlin et al., arXiv:1810.04805)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchless_export.spec import Embeddings, EncoderSpec, Floats, Head, Layer
from torchless_export.tensors import Tensors

from .reading import activation, expect, require_head

# Heads of other tasks, and buffers that old versions of transformers saved.
NO_PART_OF_THE_BODY = ("cls.", "classifier.", "qa_outputs.")
BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")


def read(config: Mapping[str, Any], tensors: Tensors, head: bool) -> EncoderSpec:
    """Read a BertForSequenceClassification, or the body of any BERT for `head=False`."""
    body = "bert." if "bert.embeddings.word_embeddings.weight" in tensors else ""
    dim = config["hidden_size"]
    expect_plain(config)
    if head:
        require_head(tensors, "BertForSequenceClassification", f"{body}pooler.dense.weight", "classifier.weight")
    spec = EncoderSpec(
        embeddings=embeddings(config, tensors, f"{body}embeddings", dim),
        layers=layers(config, tensors, f"{body}encoder.layer"),
        attention_heads=config["num_attention_heads"],
        activation=activation(config, "hidden_act"),
        max_positions=config["max_position_embeddings"],
        head=Head(tensors.linear(f"{body}pooler.dense", dim, dim), "tanh", tensors.linear("classifier", dim, None))
        if head
        else None,
    )
    unread = BUFFERS if head else (*BUFFERS, "pooler.", *NO_PART_OF_THE_BODY)
    tensors.refuse_unused(known=[*unread, *(f"{body}{name}" for name in unread)])
    return spec


def expect_plain(config: Mapping[str, Any]) -> None:
    """Refuse what BERT's config can ask for and the layers here are not."""
    expect(config, position_embedding_type="absolute", is_decoder=False, add_cross_attention=False, pruned_heads={})


def embeddings(
    config: Mapping[str, Any], tensors: Tensors, name: str, width: int, first_position: int = 0
) -> Embeddings:
    """BERT's three tables.

    Args:
        config: config.json.
        tensors: the checkpoint's.
        name: the part's name in the checkpoint.
        width: of the tables.
        first_position: the row of a text's first token; RoBERTa and its kin leave the first rows unused.
    """
    positions = tensors.array(f"{name}.position_embeddings.weight", config["max_position_embeddings"], width)
    types: Floats | None = tensors.array(
        f"{name}.token_type_embeddings.weight", config.get("type_vocab_size", 2), width
    )
    if types is not None and len(types) == 1:  # one type for all tokens: as well a part of every position
        positions, types = positions + types[0], None
    return Embeddings(
        word=tensors.array(f"{name}.word_embeddings.weight", config["vocab_size"], width),
        position=positions[first_position:],
        norm=tensors.norm(f"{name}.LayerNorm", width, config.get("layer_norm_eps", 1e-12)),
        token_type=types,
    )


def layers(config: Mapping[str, Any], tensors: Tensors, name: str) -> tuple[Layer, ...]:
    """BERT's layers, `name` being all of a layer's name but its number."""
    dim, hidden, epsilon = config["hidden_size"], config["intermediate_size"], config.get("layer_norm_eps", 1e-12)

    def layer(prefix: str) -> Layer:
        return Layer(
            query=tensors.linear(f"{prefix}.attention.self.query", dim, dim),
            key=tensors.linear(f"{prefix}.attention.self.key", dim, dim),
            value=tensors.linear(f"{prefix}.attention.self.value", dim, dim),
            context=tensors.linear(f"{prefix}.attention.output.dense", dim, dim),
            attention_norm=tensors.norm(f"{prefix}.attention.output.LayerNorm", dim, epsilon),
            up=tensors.linear(f"{prefix}.intermediate.dense", dim, hidden),
            down=tensors.linear(f"{prefix}.output.dense", hidden, dim),
            output_norm=tensors.norm(f"{prefix}.output.LayerNorm", dim, epsilon),
        )

    return tuple(layer(f"{name}.{index}") for index in range(config["num_hidden_layers"]))
