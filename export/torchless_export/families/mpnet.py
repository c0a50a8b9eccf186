"""MPNet (Song et al., arXiv:2004.09297): BERT's layers under other names, and a score for each distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchless_export.spec import Embeddings, EncoderSpec, Head, Layer
from torchless_export.tensors import Tensors

from . import bert
from .reading import activation, expect, require_head

# Fixed in the model's code, whatever the config says.
_PADDING = 1
_BUCKETS, _MAX_DISTANCE = 32, 128


def read(config: Mapping[str, Any], tensors: Tensors, head: bool) -> EncoderSpec:
    """Read an MPNetForSequenceClassification, or the body of any MPNet for `head=False`."""
    body = "mpnet." if "mpnet.embeddings.word_embeddings.weight" in tensors else ""
    dim, hidden, epsilon = config["hidden_size"], config["intermediate_size"], config.get("layer_norm_eps", 1e-12)
    # The model reads 32 buckets however many the config names.
    expect(config, relative_attention_num_buckets=_BUCKETS, pruned_heads={})
    if head:
        names = ("classifier.dense.weight", "classifier.out_proj.weight")
        require_head(tensors, "MPNetForSequenceClassification", *names)
    max_positions = config["max_position_embeddings"] - _PADDING - 1
    table = tensors.array(f"{body}encoder.relative_attention_bias.weight", _BUCKETS, config["num_attention_heads"])

    def layer(prefix: str) -> Layer:
        return Layer(
            query=tensors.linear(f"{prefix}.attention.attn.q", dim, dim),
            key=tensors.linear(f"{prefix}.attention.attn.k", dim, dim),
            value=tensors.linear(f"{prefix}.attention.attn.v", dim, dim),
            context=tensors.linear(f"{prefix}.attention.attn.o", dim, dim),
            attention_norm=tensors.norm(f"{prefix}.attention.LayerNorm", dim, epsilon),
            up=tensors.linear(f"{prefix}.intermediate.dense", dim, hidden),
            down=tensors.linear(f"{prefix}.output.dense", hidden, dim),
            output_norm=tensors.norm(f"{prefix}.output.LayerNorm", dim, epsilon),
            distance_bias=0,
        )

    spec = EncoderSpec(
        embeddings=Embeddings(
            word=tensors.array(f"{body}embeddings.word_embeddings.weight", config["vocab_size"], dim),
            position=tensors.array(
                f"{body}embeddings.position_embeddings.weight", config["max_position_embeddings"], dim
            )[_PADDING + 1 :],
            norm=tensors.norm(f"{body}embeddings.LayerNorm", dim, epsilon),
        ),
        layers=tuple(layer(f"{body}encoder.layer.{index}") for index in range(config["num_hidden_layers"])),
        attention_heads=config["num_attention_heads"],
        activation=activation(config, "hidden_act"),
        max_positions=max_positions,
        head=Head(
            tensors.linear("classifier.dense", dim, dim), "tanh", tensors.linear("classifier.out_proj", dim, None)
        )
        if head
        else None,
        distance_biases=(table[t5_buckets(np.arange(1 - max_positions, max_positions))],),
    )
    unread = bert.BUFFERS if head else (*bert.BUFFERS, "lm_head.", *bert.NO_PART_OF_THE_BODY)
    # A classifier's body has no pooler; checkpoints that grew out of a bare one carry it along.
    tensors.refuse_unused(known=[*unread, *(f"{body}{name}" for name in (*unread, "pooler."))])
    return spec


def t5_buckets(distances: NDArray[np.int64]) -> NDArray[np.int64]:
    """T5's buckets (Raffel et al., arXiv:1910.10683): near distances one each, far ones in logarithmic steps.

    Half of the buckets are for keys after the query, the other half for those before it and itself.
    """
    half = _BUCKETS // 2
    exact = half // 2
    away = np.abs(distances)
    with np.errstate(divide="ignore"):  # the logarithm of 0 is not used
        # float32 as in PyTorch: a rounding in another direction would be another bucket.
        logarithm = np.log(away.astype(np.float32) / np.float32(exact)) / np.float32(np.log(_MAX_DISTANCE / exact))
    steps = np.where(away < exact, 0, logarithm * (half - exact)).astype(np.int64)
    return half * (distances > 0) + np.where(away < exact, away, np.minimum(exact + steps, half - 1))
