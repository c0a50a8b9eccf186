"""A trained BERT body, such as MiniLM's, written as other architectures: trained weights of every shape in seconds.

What BERT does not have (relative positions, a gate) begins as it does in a new model, and fine-tuning makes use of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ARCHITECTURES = ("bert", "distilbert", "roberta", "electra", "mpnet", "deberta-v2", "modernbert")
_DISTILBERT = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
    "encoder.layer": "transformer.layer",
}
_MPNET = {
    "attention.self.query": "attention.attn.q",
    "attention.self.key": "attention.attn.k",
    "attention.self.value": "attention.attn.v",
    "attention.output.dense": "attention.attn.o",
    "attention.output.LayerNorm": "attention.LayerNorm",
}
_DEBERTA = {
    "attention.self.query": "attention.self.query_proj",
    "attention.self.key": "attention.self.key_proj",
    "attention.self.value": "attention.self.value_proj",
}
_NAMES: Mapping[str, Mapping[str, str]] = {"distilbert": _DISTILBERT, "mpnet": _MPNET, "deberta-v2": _DEBERTA}
_PAST_PADDING = 2  # RoBERTa and MPNet count positions from here
_BEGIN_NEW = ("rel", "pooler", "encoder.LayerNorm")  # what BERT does not have


def write_as(architecture: str, bert: Any, head: Mapping[str, Any], *, tagger: bool = False) -> Any:
    """A classifier of an architecture with the body of a BERT.

    Args:
        architecture: one of ARCHITECTURES.
        bert: a transformers BertModel.
        head: fields of the config that describe the head.
        tagger: classify tokens, not texts.

    Returns:
        A transformers model for sequence or token classification, its head untrained.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoModelForTokenClassification

    config = AutoConfig.for_model(architecture, **_fields(architecture, bert.config), **head)
    model = (AutoModelForTokenClassification if tagger else AutoModelForSequenceClassification).from_config(config)
    body = getattr(model, model.base_model_prefix)
    if architecture == "modernbert":  # its layers read their norms first: only the words can be taken over
        body.embeddings.tok_embeddings.weight.data.copy_(bert.embeddings.word_embeddings.weight.data)
        return model
    missing, unknown = body.load_state_dict(_renamed(architecture, bert.state_dict()), strict=False)
    assert not [name for name in unknown if "pooler" not in name and "position_ids" not in name], unknown
    assert not [name for name in missing if not any(new in name for new in _BEGIN_NEW)], missing
    return model


def _fields(architecture: str, bert: Any) -> dict[str, Any]:
    """The config of the same size."""
    sizes = {
        "hidden_size": bert.hidden_size,
        "num_hidden_layers": bert.num_hidden_layers,
        "num_attention_heads": bert.num_attention_heads,
        "intermediate_size": bert.intermediate_size,
        "vocab_size": bert.vocab_size,
        "pad_token_id": bert.pad_token_id,
        "layer_norm_eps": bert.layer_norm_eps,
        "max_position_embeddings": bert.max_position_embeddings,
        "type_vocab_size": bert.type_vocab_size,
    }
    if architecture == "distilbert":
        return {
            "dim": bert.hidden_size,
            "n_layers": bert.num_hidden_layers,
            "n_heads": bert.num_attention_heads,
            "hidden_dim": bert.intermediate_size,
            "vocab_size": bert.vocab_size,
            "pad_token_id": bert.pad_token_id,
            "max_position_embeddings": bert.max_position_embeddings,
            "activation": bert.hidden_act,
        }
    if architecture in ("roberta", "mpnet"):
        # Padding's id is 1 with these two in transformers' code, and BERT's vocabulary has an unused token there.
        return sizes | {"max_position_embeddings": bert.max_position_embeddings + _PAST_PADDING, "pad_token_id": 1}
    if architecture == "electra":
        return sizes | {"embedding_size": bert.hidden_size}
    if architecture == "deberta-v2":
        relative = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 256}
        return sizes | relative | {"share_att_key": True, "norm_rel_ebd": "layer_norm"}
    if architecture == "modernbert":
        special = {"cls_token_id": 101, "bos_token_id": 101, "sep_token_id": 102, "eos_token_id": 102}
        return sizes | special | {"global_attn_every_n_layers": 3, "local_attention": 128}
    return sizes


def _renamed(architecture: str, weights: Mapping[str, Any]) -> dict[str, Any]:
    """BERT's tensors under the names of an architecture."""
    import torch

    found: dict[str, Any] = {}
    names = _NAMES.get(architecture, {})
    for name, tensor in weights.items():
        for old, new in names.items():
            # "output.dense" is also the end of "attention.output.dense", which comes first and is renamed already.
            if old in name and not (old.startswith("output.") and ".attention." in name):
                name = name.replace(old, new)
        found[name] = tensor.clone()
    position = "embeddings.position_embeddings.weight"
    if architecture in ("distilbert", "mpnet"):  # no token types: the first one's vector is in every position
        found[position] += found.pop("embeddings.token_type_embeddings.weight")[0]
    if architecture in ("roberta", "mpnet"):
        found[position] = torch.cat([torch.zeros(_PAST_PADDING, found[position].shape[1]), found[position]])
    return found
