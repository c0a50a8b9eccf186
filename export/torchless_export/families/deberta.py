"""DeBERTa (He et al., arXiv:2006.03654) and DeBERTa-v2/v3 (arXiv:2111.09543): contents scored against distances.

score(i, j) = (q_i · k_j + q_i · K[δ(i, j)] + k_j · Q[δ(i, j)]) / √(terms · head size), where K and Q are projections of
a table of relative positions and δ(i, j) is the bucket of i - j. The graph's attention divides by √(head size) alone,
so 1 / √terms goes into the query's weights and the whole into the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchless.bundle.manifest import GraphKind
from torchless_export.errors import UnsupportedModelError
from torchless_export.spec import Disentangled, EmbeddingTables, EncoderSpec, Floats, Layer, Linear, Norm
from torchless_export.tensors import Tensors

from . import bert
from .names import HeadNames, Sizes
from .random_checkpoint import RandomCheckpoint
from .reading import activation, expect, longest_text

Config = Mapping[str, Any]
# Query, key and value of one layer, and what projects the relative positions to keys and to queries.
Projections = tuple[Linear, Linear, Linear, Linear | None, Linear | None]


def read_v1(config: Config, tensors: Tensors, kind: GraphKind) -> EncoderSpec:
    """Read a DeBERTa with the head of a kind, or the body of any."""
    expect(config, talking_head=False, position_buckets=-1, norm_rel_ebd="none")
    return _read(config, tensors, kind, "Deberta", _projections_v1)


def read_v2(config: Config, tensors: Tensors, kind: GraphKind) -> EncoderSpec:
    """Read a DeBERTa v2 or v3 with the head of a kind, or the body of any."""
    expect(config, conv_kernel_size=0, attention_head_size=config["hidden_size"] // config["num_attention_heads"])
    return _read(config, tensors, kind, "DebertaV2", _projections_v2)


def _read(
    config: Config, tensors: Tensors, kind: GraphKind, model: str, projections: Callable[..., Projections]
) -> EncoderSpec:
    """Read a model; `model` is what the names of transformers' classes begin with."""
    body = tensors.prefix("deberta.", "embeddings.word_embeddings.weight")
    hidden_size, table = config["hidden_size"], config.get("position_biased_input", True)
    max_positions = config["max_position_embeddings"] if table else longest_text(config)
    if not config.get("relative_attention", False):
        raise UnsupportedModelError("config.json, relative_attention: expected true, got false.")
    expect(config, embedding_size=hidden_size, pooler_hidden_size=hidden_size)
    head = HeadNames(model, "pooler.dense", "classifier")
    if kind == "classifier":
        head = replace(head, activation=activation(config, "pooler_hidden_act"))
    span, buckets = _buckets(config, np.arange(1 - max_positions, max_positions))
    positions = _relative_positions(config, tensors, f"{body}encoder", span)
    spec = EncoderSpec(
        head=head.read(kind, tensors, hidden_size),
        embeddings=_embeddings(config, tensors, f"{body}embeddings"),
        layers=tuple(
            _layer(config, tensors, f"{body}encoder.layer.{index}", positions, projections)
            for index in range(config["num_hidden_layers"])
        ),
        attention_heads=config["num_attention_heads"],
        activation=activation(config, "hidden_act"),
        max_positions=max_positions,
        distance_buckets=buckets,
    )
    others = ("pooler.", "lm_predictions.", "mask_predictions.", *bert.NO_PART_OF_THE_BODY)
    tensors.find_unread(body, (*bert.BUFFERS, *others) if kind == "encoder" else bert.BUFFERS)
    return spec


def _embeddings(config: Config, tensors: Tensors, name: str) -> EmbeddingTables:
    hidden_size, types = config["hidden_size"], config.get("type_vocab_size", 0)
    position = token_type = None
    if config.get("position_biased_input", True):
        position = tensors.array(f"{name}.position_embeddings.weight", config["max_position_embeddings"], hidden_size)
    if types:
        token_type = tensors.array(f"{name}.token_type_embeddings.weight", types, hidden_size)
    return EmbeddingTables(
        word=tensors.array(f"{name}.word_embeddings.weight", config["vocab_size"], hidden_size),
        position=position,
        norm=tensors.norm(f"{name}.LayerNorm", hidden_size, config["layer_norm_eps"]),
        token_type=token_type,
    )


def _layer(
    config: Config, tensors: Tensors, name: str, positions: Floats, projections: Callable[..., Projections]
) -> Layer:
    """BERT's layer, but for the projections and what they make of relative positions."""
    kinds, sizes = _kinds(config), Sizes(config["hidden_size"], config["intermediate_size"], config["layer_norm_eps"])
    query, key, value, to_key, to_query = projections(config, tensors, f"{name}.attention.self", kinds)
    terms = np.float32(np.sqrt(1 + len(kinds)))
    scaled = Linear(query.weight / terms, query.bias / terms)
    return replace(
        bert.LAYER.read(tensors, name, sizes, (scaled, key, value)),
        # The query that meets `key` is scaled by 1 / √terms already.
        disentangled=Disentangled(
            key=_table(config, positions, to_key, 1.0), query=_table(config, positions, to_query, 1 / float(terms))
        ),
    )


def _kinds(config: Config) -> list[str]:
    """Which of "c2p" and "p2c" there are; transformers writes a list, the authors' configs "p2c|c2p"."""
    named = config.get("pos_att_type") or []
    kinds = [kind.strip() for kind in named.lower().split("|")] if isinstance(named, str) else list(named)
    if not kinds or set(kinds) - {"c2p", "p2c"}:
        raise UnsupportedModelError(f"config.json, pos_att_type: expected c2p, p2c or both, got {named!r}.")
    return kinds


def _projections_v1(config: Config, tensors: Tensors, name: str, kinds: list[str]) -> Projections:
    hidden_size, heads = config["hidden_size"], config["num_attention_heads"]
    # Rows of in_proj: for each head its query, its key, its value.
    together = tensors.array(f"{name}.in_proj.weight", 3 * hidden_size, hidden_size)
    by_head = together.reshape(heads, 3, hidden_size // heads, hidden_size)
    query, key, value = (
        np.ascontiguousarray(by_head[:, part].reshape(hidden_size, hidden_size).T) for part in range(3)
    )
    none = np.zeros(hidden_size, np.float32)
    to_key = Linear(np.ascontiguousarray(tensors.array(f"{name}.pos_proj.weight", hidden_size, hidden_size).T), none)
    return (
        Linear(query, tensors.array(f"{name}.q_bias", hidden_size)),
        Linear(key, none),
        Linear(value, tensors.array(f"{name}.v_bias", hidden_size)),
        to_key if "c2p" in kinds else None,
        tensors.linear(f"{name}.pos_q_proj", hidden_size, hidden_size) if "p2c" in kinds else None,
    )


def _projections_v2(config: Config, tensors: Tensors, name: str, kinds: list[str]) -> Projections:
    def linear(part: str) -> Linear:
        return tensors.linear(f"{name}.{part}_proj", config["hidden_size"], config["hidden_size"])

    query, key, value = linear("query"), linear("key"), linear("value")
    shared = config.get("share_att_key", False)
    to_key = to_query = None
    if "c2p" in kinds:
        to_key = key if shared else linear("pos_key")
    if "p2c" in kinds:
        to_query = query if shared else linear("pos_query")
    return query, key, value, to_key, to_query


def _table(config: Config, positions: Floats, projection: Linear | None, scale: float) -> Floats | None:
    """Projected relative positions, scaled as scores are: float32 (heads, head size, buckets)."""
    if projection is None:
        return None
    heads, size = config["num_attention_heads"], config["hidden_size"] // config["num_attention_heads"]
    projected = (positions @ projection.weight + projection.bias) * (scale / np.sqrt(size))
    return np.ascontiguousarray(projected.reshape(-1, heads, size).transpose(1, 2, 0), np.float32)


def _relative_positions(config: Config, tensors: Tensors, name: str, span: int) -> Floats:
    """The table of relative positions, normalised where the config says so: float32 (buckets, hidden_size)."""
    table = tensors.array(f"{name}.rel_embeddings.weight", 2 * span, config["hidden_size"])
    named = [part.strip() for part in str(config.get("norm_rel_ebd", "none")).lower().split("|")]
    if set(named) - {"none", "layer_norm"}:
        raise UnsupportedModelError(f"config.json, norm_rel_ebd: expected none or layer_norm, got {named}.")
    if "layer_norm" not in named:
        return table
    return _normalized(table, tensors.norm(f"{name}.LayerNorm", config["hidden_size"], config["layer_norm_eps"]))


def _normalized(x: Floats, norm: Norm) -> Floats:
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + norm.epsilon)
    normalized: Floats = (centred / deviation * norm.scale + norm.shift).astype(np.float32)
    return normalized


def _buckets(config: Config, distances: NDArray[np.int64]) -> tuple[int, NDArray[np.int32]]:
    """Half the number of buckets, and the bucket of each distance (the key's position minus the query's)."""
    farthest = config.get("max_relative_positions", -1)
    farthest = farthest if farthest >= 1 else config["max_position_embeddings"]
    count = config.get("position_buckets", -1)
    relative = -distances if count <= 0 else log_buckets(-distances, count, farthest)
    span = count if count > 0 else farthest
    return span, np.clip(relative + span, 0, 2 * span - 1).astype(np.int32)


def log_buckets(relative: NDArray[np.int64], buckets: int, farthest: int) -> NDArray[np.int64]:
    """DeBERTa-v2's buckets: near positions one each, from half their number on in logarithmic steps."""
    mid = buckets // 2
    away = np.where(np.abs(relative) < mid, mid - 1, np.abs(relative)).astype(np.float32)
    # float32 as in PyTorch: a rounding in another direction would be another bucket.
    steps = np.log(away / np.float32(mid)) / np.log(np.float32((farthest - 1) / mid)) * np.float32(mid - 1)
    return np.where(away <= mid, relative, (np.ceil(steps) + mid) * np.sign(relative)).astype(np.int64)


FAMILIES = {"deberta": read_v1, "deberta-v2": read_v2}  # v3 is a deberta-v2
_SETTINGS = {"max_position_embeddings": 64, "relative_attention": True}
RANDOM_CHECKPOINTS = {
    "deberta": RandomCheckpoint("deberta", settings={**_SETTINGS, "pos_att_type": ["c2p", "p2c"]}, type_ids=True),
    "deberta-v2": RandomCheckpoint(
        "deberta-v2", settings={**_SETTINGS, "pos_att_type": ["c2p"], "type_vocab_size": 2}, type_ids=True
    ),
    "deberta-v3": RandomCheckpoint(
        "deberta-v2",
        settings={
            **_SETTINGS,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 16,
            "position_biased_input": False,
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
        },
    ),
}
