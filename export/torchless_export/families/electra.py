"""ELECTRA (Clark et al., arXiv:2003.10555): BERT's layers, narrower embeddings, a head of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torchless.bundle.manifest import GraphKind
from torchless_export.spec import EncoderSpec
from torchless_export.tensors import Tensors

from . import bert
from .names import HeadNames
from .random_checkpoint import RandomCheckpoint
from .reading import activation

# GELU is fixed in the model's code, whatever the config says. A classifier of tokens has neither it nor the product.
_HEAD = HeadNames("Electra", "classifier.dense", "classifier.out_proj", activation="gelu")
_OTHER_HEADS = ("discriminator_predictions.", "generator_predictions.", "generator_lm_head.")


def read(config: Mapping[str, Any], tensors: Tensors, kind: GraphKind) -> EncoderSpec:
    """Read an ELECTRA with the head of a kind, or the body of any."""
    body = tensors.prefix("electra.", "embeddings.word_embeddings.weight")
    hidden_size, embedding_size = config["hidden_size"], config.get("embedding_size", 128)
    bert.expect_plain(config)
    head = _HEAD.read(kind, tensors, hidden_size)
    embeddings = bert.embeddings(config, tensors, f"{body}embeddings", embedding_size)
    if embedding_size != hidden_size:
        projection = tensors.linear(f"{body}embeddings_project", embedding_size, hidden_size)
        embeddings = replace(embeddings, projection=projection)
    spec = EncoderSpec(
        head=head,
        embeddings=embeddings,
        layers=bert.layers(config, tensors, f"{body}encoder.layer"),
        attention_heads=config["num_attention_heads"],
        activation=activation(config, "hidden_act"),
        max_positions=config["max_position_embeddings"],
    )
    others = (*_OTHER_HEADS, *bert.NO_PART_OF_THE_BODY) if kind == "encoder" else ()
    tensors.find_unread(body, (*bert.BUFFERS, *others))
    return spec


FAMILIES = {"electra": read}
RANDOM_CHECKPOINTS = {
    "electra": RandomCheckpoint(
        "electra", settings={"max_position_embeddings": 64, "embedding_size": 16}, type_ids=True
    ),
}
