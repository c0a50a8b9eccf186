"""DistilBERT: BERT without token types and pooler (Sanh et al., arXiv:1910.01108)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchless_export.spec import Embeddings, EncoderSpec, Head, Layer
from torchless_export.tensors import Tensors

from .reading import activation, require_head

_EPSILON = 1e-12  # fixed in the model's code, whatever the config says
_PRETRAINING_HEAD = ("vocab_transform.", "vocab_layer_norm.", "vocab_projector.")


def read(config: Mapping[str, Any], tensors: Tensors, head: bool) -> EncoderSpec:
    """Read a DistilBertForSequenceClassification, or the body of any DistilBERT for `head=False`."""
    dim, hidden = config["dim"], config["hidden_dim"]
    body = "distilbert." if "distilbert.embeddings.word_embeddings.weight" in tensors else ""

    def layer(index: int) -> Layer:
        name = f"{body}transformer.layer.{index}"
        return Layer(
            query=tensors.linear(f"{name}.attention.q_lin", dim, dim),
            key=tensors.linear(f"{name}.attention.k_lin", dim, dim),
            value=tensors.linear(f"{name}.attention.v_lin", dim, dim),
            context=tensors.linear(f"{name}.attention.out_lin", dim, dim),
            attention_norm=tensors.norm(f"{name}.sa_layer_norm", dim, _EPSILON),
            up=tensors.linear(f"{name}.ffn.lin1", dim, hidden),
            down=tensors.linear(f"{name}.ffn.lin2", hidden, dim),
            output_norm=tensors.norm(f"{name}.output_layer_norm", dim, _EPSILON),
        )

    spec = EncoderSpec(
        embeddings=Embeddings(
            word=tensors.array(f"{body}embeddings.word_embeddings.weight", config["vocab_size"], dim),
            position=tensors.array(
                f"{body}embeddings.position_embeddings.weight", config["max_position_embeddings"], dim
            ),
            norm=tensors.norm(f"{body}embeddings.LayerNorm", dim, _EPSILON),
        ),
        layers=tuple(layer(index) for index in range(config["n_layers"])),
        attention_heads=config["n_heads"],
        activation=activation(config, "activation"),
        max_positions=config["max_position_embeddings"],
        head=_head(tensors, dim) if head else None,
    )
    # The head of another task is no part of the body.
    tensors.refuse_unused(known=() if head else ("pre_classifier.", "classifier.", "qa_outputs.", *_PRETRAINING_HEAD))
    return spec


def _head(tensors: Tensors, dim: int) -> Head:
    require_head(tensors, "DistilBertForSequenceClassification", "pre_classifier.weight", "classifier.weight")
    # The activation between the two is ReLU in the model's code, not the config's `activation`.
    return Head(tensors.linear("pre_classifier", dim, dim), "relu", tensors.linear("classifier", dim, None))
