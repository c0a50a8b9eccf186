"""RoBERTa (Liu et al., arXiv:1907.11692), XLM-RoBERTa and CamemBERT: BERT's layers, positions that begin late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchless.bundle.manifest import GraphKind
from torchless_export.spec import EncoderSpec
from torchless_export.tensors import Tensors

from . import bert
from .names import HeadNames
from .random_checkpoint import ROBERTA_TOKENS, RandomCheckpoint
from .reading import activation

_HEAD = HeadNames("Roberta", dense="classifier.dense", out="classifier.out_proj")


def read(config: Mapping[str, Any], tensors: Tensors, kind: GraphKind) -> EncoderSpec:
    """Read a RoBERTa or a related model with the head of a kind, or the body of any."""
    body = tensors.prefix("roberta.", "embeddings.word_embeddings.weight")
    hidden_size, padding = config["hidden_size"], config.get("pad_token_id", 1)
    bert.expect_plain(config)
    spec = EncoderSpec(
        head=_HEAD.read(kind, tensors, hidden_size),
        # Positions are counted from the padding token's id + 1 on: of 514 rows 512 are of use.
        embeddings=bert.embeddings(config, tensors, f"{body}embeddings", hidden_size, padding),
        layers=bert.layers(config, tensors, f"{body}encoder.layer"),
        attention_heads=config["num_attention_heads"],
        activation=activation(config, "hidden_act"),
        max_positions=config["max_position_embeddings"] - padding - 1,
    )
    # A classifier's body has no pooler; checkpoints that grew out of a bare one carry it along.
    others = ("pooler.", "lm_head.", *bert.NO_PART_OF_THE_BODY) if kind == "encoder" else (f"{body}pooler.",)
    tensors.find_unread(body, (*bert.BUFFERS, *others))
    return spec


_MODEL_TYPES = ("camembert", "roberta", "xlm-roberta")
FAMILIES = dict.fromkeys(_MODEL_TYPES, read)
RANDOM_CHECKPOINTS = {
    model_type: RandomCheckpoint(
        model_type, settings={"max_position_embeddings": 66, "type_vocab_size": 1}, tokens=ROBERTA_TOKENS
    )
    for model_type in _MODEL_TYPES
}
