"""ELECTRA (Clark et al., arXiv:2003.10555): BERT's layers, narrower embeddings, a head of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torchless_export.spec import EncoderSpec, Head
from torchless_export.tensors import Tensors

from . import bert
from .reading import activation, require_head


def read(config: Mapping[str, Any], tensors: Tensors, head: bool) -> EncoderSpec:
    """Read an ElectraForSequenceClassification, or the body of any ELECTRA for `head=False`."""
    body = "electra." if "electra.embeddings.word_embeddings.weight" in tensors else ""
    dim = config["hidden_size"]
    width = config.get("embedding_size", 128)
    bert.expect_plain(config)
    if head:
        names = ("classifier.dense.weight", "classifier.out_proj.weight")
        require_head(tensors, "ElectraForSequenceClassification", *names)
    embeddings = bert.embeddings(config, tensors, f"{body}embeddings", width)
    if width != dim:
        embeddings = replace(embeddings, projection=tensors.linear(f"{body}embeddings_project", width, dim))
    spec = EncoderSpec(
        embeddings=embeddings,
        layers=bert.layers(config, tensors, f"{body}encoder.layer"),
        attention_heads=config["num_attention_heads"],
        activation=activation(config, "hidden_act"),
        max_positions=config["max_position_embeddings"],
        # GELU is fixed in the model's code, whatever the config says.
        head=Head(
            tensors.linear("classifier.dense", dim, dim), "gelu", tensors.linear("classifier.out_proj", dim, None)
        )
        if head
        else None,
    )
    other_heads = ("discriminator_predictions.", "generator_predictions.", "generator_lm_head.")
    unread = bert.BUFFERS if head else (*bert.BUFFERS, *other_heads, *bert.NO_PART_OF_THE_BODY)
    tensors.refuse_unused(known=[*unread, *(f"{body}{name}" for name in unread)])
    return spec
