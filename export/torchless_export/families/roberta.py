"""RoBERTa (Liu et al., arXiv:1907.11692), XLM-RoBERTa and CamemBERT: BERT's layers, positions that begin late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchless_export.spec import EncoderSpec, Head
from torchless_export.tensors import Tensors

from . import bert
from .reading import activation, require_head


def read(config: Mapping[str, Any], tensors: Tensors, head: bool) -> EncoderSpec:
    """Read a RobertaForSequenceClassification or one of its kin, or the body of any of them for `head=False`."""
    body = "roberta." if "roberta.embeddings.word_embeddings.weight" in tensors else ""
    dim, padding = config["hidden_size"], config.get("pad_token_id", 1)
    bert.expect_plain(config)
    if head:
        names = ("classifier.dense.weight", "classifier.out_proj.weight")
        require_head(tensors, "RobertaForSequenceClassification", *names)
    spec = EncoderSpec(
        # Positions are counted from the padding token's id + 1 on: of 514 rows 512 are of use.
        embeddings=bert.embeddings(config, tensors, f"{body}embeddings", dim, first_position=padding + 1),
        layers=bert.layers(config, tensors, f"{body}encoder.layer"),
        attention_heads=config["num_attention_heads"],
        activation=activation(config, "hidden_act"),
        max_positions=config["max_position_embeddings"] - padding - 1,
        head=Head(
            tensors.linear("classifier.dense", dim, dim), "tanh", tensors.linear("classifier.out_proj", dim, None)
        )
        if head
        else None,
    )
    unread = bert.BUFFERS if head else (*bert.BUFFERS, "pooler.", "lm_head.", *bert.NO_PART_OF_THE_BODY)
    # A classifier's body has no pooler; checkpoints that grew out of a bare one carry it along.
    tensors.refuse_unused(known=[*unread, *(f"{body}{name}" for name in unread), f"{body}pooler."])
    return spec
