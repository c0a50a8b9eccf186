"""DistilBERT: BERT without token types and pooler (Sanh et al., arXiv:1910.01108)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchless.bundle.manifest import GraphKind
from torchless_export.spec import EmbeddingTables, EncoderSpec
from torchless_export.tensors import Tensors

from . import bert
from .names import HeadNames, LayerNames, Sizes
from .random_checkpoint import RandomCheckpoint
from .reading import activation

_LAYER = LayerNames(
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    context="attention.out_lin",
    attention_norm="sa_layer_norm",
    up="ffn.lin1",
    down="ffn.lin2",
    output_norm="output_layer_norm",
)
# ReLU is fixed in the model's code, whatever the config's `activation` says.
_HEAD = HeadNames("DistilBert", "pre_classifier", "classifier", activation="relu")
_EPSILON = 1e-12  # fixed in the model's code, whatever the config says
_OTHER_HEADS = ("pre_classifier.", "classifier.", "qa_outputs.")
_PRETRAINING_HEAD = ("vocab_transform.", "vocab_layer_norm.", "vocab_projector.")


def read(config: Mapping[str, Any], tensors: Tensors, kind: GraphKind) -> EncoderSpec:
    """Read a DistilBERT with the head of a kind, or the body of any."""
    sizes = Sizes(config["dim"], config["hidden_dim"], _EPSILON)
    body = tensors.prefix("distilbert.", "embeddings.word_embeddings.weight")
    tables, max_positions = f"{body}embeddings", config["max_position_embeddings"]
    spec = EncoderSpec(
        head=_HEAD.read(kind, tensors, sizes.hidden),
        embeddings=EmbeddingTables(
            word=tensors.array(f"{tables}.word_embeddings.weight", config["vocab_size"], sizes.hidden),
            position=tensors.array(f"{tables}.position_embeddings.weight", max_positions, sizes.hidden),
            norm=tensors.norm(f"{tables}.LayerNorm", sizes.hidden, _EPSILON),
        ),
        layers=tuple(
            _LAYER.read(tensors, f"{body}transformer.layer.{index}", sizes) for index in range(config["n_layers"])
        ),
        attention_heads=config["n_heads"],
        activation=activation(config, "activation"),
        max_positions=max_positions,
    )
    # The head of another task is no part of the body.
    others = (*_OTHER_HEADS, *_PRETRAINING_HEAD) if kind == "encoder" else ()
    tensors.find_unread(body, (*bert.BUFFERS, *others))
    return spec


FAMILIES = {"distilbert": read}
RANDOM_CHECKPOINTS = {
    "distilbert": RandomCheckpoint(
        "distilbert",
        settings={"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64},
    ),
}
