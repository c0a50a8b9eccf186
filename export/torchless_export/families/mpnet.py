"""MPNet (Song et al., arXiv:2004.09297): BERT's layers under other names, and a score for each distance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchless.bundle.manifest import GraphKind
from torchless_export.spec import EmbeddingTables, EncoderSpec, Floats, Layer
from torchless_export.tensors import Tensors

from . import bert
from .names import HeadNames, LayerNames, Sizes
from .random_checkpoint import ROBERTA_TOKENS, RandomCheckpoint
from .reading import activation, expect

_LAYER = LayerNames(
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    context="attention.attn.o",
    attention_norm="attention.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    output_norm="output.LayerNorm",
)
_HEAD = HeadNames("MPNet", dense="classifier.dense", out="classifier.out_proj")
# Fixed in the model's code, whatever the config says.
_PADDING = 1
_BUCKETS, _MAX_DISTANCE = 32, 128


def read(config: Mapping[str, Any], tensors: Tensors, kind: GraphKind) -> EncoderSpec:
    """Read an MPNet with the head of a kind, or the body of any."""
    body = tensors.prefix("mpnet.", "embeddings.word_embeddings.weight")
    # The model reads 32 buckets however many the config names.
    expect(config, relative_attention_num_buckets=_BUCKETS, pruned_heads={})
    max_positions = config["max_position_embeddings"] - _PADDING - 1
    spec = EncoderSpec(
        head=_HEAD.read(kind, tensors, config["hidden_size"]),
        embeddings=_embeddings(config, tensors, f"{body}embeddings"),
        layers=_layers(config, tensors, f"{body}encoder.layer"),
        attention_heads=config["num_attention_heads"],
        activation=activation(config, "hidden_act"),
        max_positions=max_positions,
        distance_biases=(_distance_bias(config, tensors, f"{body}encoder", max_positions),),
    )
    # A classifier's body has no pooler; checkpoints that grew out of a bare one carry it along.
    others = ("lm_head.", *bert.NO_PART_OF_THE_BODY) if kind == "encoder" else ()
    tensors.find_unread(body, (f"{body}pooler.", *bert.BUFFERS, *others))
    return spec


def _embeddings(config: Mapping[str, Any], tensors: Tensors, name: str) -> EmbeddingTables:
    sizes, rows = Sizes.of(config), config["max_position_embeddings"]
    return EmbeddingTables(
        word=tensors.array(f"{name}.word_embeddings.weight", config["vocab_size"], sizes.hidden),
        position=tensors.array(f"{name}.position_embeddings.weight", rows, sizes.hidden)[_PADDING:],
        norm=tensors.norm(f"{name}.LayerNorm", sizes.hidden, sizes.epsilon),
        uncounted=_PADDING,
    )


def _layers(config: Mapping[str, Any], tensors: Tensors, name: str) -> tuple[Layer, ...]:
    layers = (_LAYER.read(tensors, f"{name}.{index}", Sizes.of(config)) for index in range(config["num_hidden_layers"]))
    return tuple(replace(layer, distance_bias=0) for layer in layers)


def _distance_bias(config: Mapping[str, Any], tensors: Tensors, name: str, max_positions: int) -> Floats:
    """A score for each distance and attention head: float32 (2 * max_positions - 1, heads)."""
    table = tensors.array(f"{name}.relative_attention_bias.weight", _BUCKETS, config["num_attention_heads"])
    scores: Floats = table[t5_buckets(np.arange(1 - max_positions, max_positions))]
    return scores


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


FAMILIES = {"mpnet": read}
RANDOM_CHECKPOINTS = {
    # 200 tokens reach beyond its farthest bucket.
    "mpnet": RandomCheckpoint("mpnet", 200, {"max_position_embeddings": 202}, ROBERTA_TOKENS),
}
