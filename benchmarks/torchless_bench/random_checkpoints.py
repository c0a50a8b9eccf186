"""A small random checkpoint of every architecture: what parity is proven on where no real weights are at hand.

What such a model says means nothing, but it says it through every weight and every setting of its architecture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torchless_export.samples import built_in

LABELS = ("negative", "neutral", "positive")
_BERT_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_ROBERTA_TOKENS = {
    "cls_token": "<s>",
    "pad_token": "<pad>",  # its id is 1
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
_SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


@dataclass(frozen=True)
class Row:
    """One architecture with the settings that tell it apart.

    Attributes:
        model_type: config.json's.
        max_tokens: longest text.
        settings: other fields of config.json.
        tokens: the special tokens by their role, in the order of their ids.
        type_ids: whether the tokenizer hands out token types.
    """

    model_type: str
    max_tokens: int = 64
    settings: Mapping[str, Any] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=lambda: _BERT_TOKENS)
    type_ids: bool = False


# One row an architecture, and one more for each setting that takes another path.
ROWS: dict[str, Row] = {
    "distilbert": Row(
        "distilbert", settings={"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64}
    ),
    "bert": Row("bert", settings={"max_position_embeddings": 64}, type_ids=True),
    "bert, gelu_new": Row("bert", settings={"max_position_embeddings": 64, "hidden_act": "gelu_new"}, type_ids=True),
    "roberta": Row("roberta", settings={"max_position_embeddings": 66, "type_vocab_size": 1}, tokens=_ROBERTA_TOKENS),
    "xlm-roberta": Row(
        "xlm-roberta", settings={"max_position_embeddings": 66, "type_vocab_size": 1}, tokens=_ROBERTA_TOKENS
    ),
    "camembert": Row(
        "camembert", settings={"max_position_embeddings": 66, "type_vocab_size": 1}, tokens=_ROBERTA_TOKENS
    ),
    "electra": Row("electra", settings={"max_position_embeddings": 64, "embedding_size": 16}, type_ids=True),
    "mpnet": Row("mpnet", 200, {"max_position_embeddings": 202}, _ROBERTA_TOKENS),  # beyond its farthest bucket
    "albert": Row("albert", settings={"max_position_embeddings": 64, "embedding_size": 16}, type_ids=True),
    "albert, groups": Row(
        "albert",
        settings={
            "max_position_embeddings": 64,
            "embedding_size": 16,
            "num_hidden_layers": 4,
            "num_hidden_groups": 2,
            "inner_group_num": 2,
        },
    ),
    # Four layers: the first and the last see everything, the two between them 8 tokens to each side.
    "modernbert": Row(
        "modernbert", settings={"max_position_embeddings": 64, "local_attention": 16, "num_hidden_layers": 4}
    ),
    "modernbert, mean": Row(
        "modernbert",
        settings={
            "max_position_embeddings": 64,
            "local_attention": 16,
            "num_hidden_layers": 3,
            "classifier_pooling": "mean",
            "attention_bias": True,
            "mlp_bias": True,
            "norm_bias": True,
            "classifier_bias": True,
        },
    ),
    "deberta": Row(
        "deberta",
        settings={"max_position_embeddings": 64, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
        type_ids=True,
    ),
    "deberta-v2": Row(
        "deberta-v2",
        settings={
            "max_position_embeddings": 64,
            "relative_attention": True,
            "pos_att_type": ["c2p"],
            "type_vocab_size": 2,
        },
        type_ids=True,
    ),
    "deberta-v3": Row(
        "deberta-v2",
        settings={
            "max_position_embeddings": 64,
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 16,
            "position_biased_input": False,
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
        },
    ),
}

# Without a family: through optimum.
FOREIGN: dict[str, Row] = {
    "roformer": Row("roformer", settings={"max_position_embeddings": 64, "embedding_size": 32}, type_ids=True),
}


def make(row: Row, folder: Path) -> Path:
    """Write a random classifier of three labels as transformers saves it; the same one every time."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    tokenizer = _tokenizer(row)
    config = AutoConfig.for_model(
        row.model_type,
        **{
            **({} if "dim" in row.settings else _SIZES),
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.cls_token_id,
            "eos_token_id": tokenizer.sep_token_id,
            "id2label": dict(enumerate(LABELS)),
            "label2id": {name: index for index, name in enumerate(LABELS)},
            **row.settings,
        },
    )
    torch.manual_seed(11)
    model = AutoModelForSequenceClassification.from_config(config)
    # The usual initialisation is so small that every text answers alike. What is added shrinks with the width, as sums
    # over it grow: activations stay where float32 is as exact as in a trained model.
    noise = 0.15 * (_SIZES["hidden_size"] / config.hidden_size) ** 0.5
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * noise)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(row: Row) -> Any:
    """WordPiece over letters and the commoner words of the built-in sample."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = " ".join(built_in()).lower().split()
    common = sorted({word for word in words if word.isalpha() and word.isascii() and words.count(word) > 4})
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = dict.fromkeys([*row.tokens.values(), *letters, *(f"##{letter}" for letter in letters), *common])
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    first, last = row.tokens["cls_token"], row.tokens["sep_token"]
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=row.tokens["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} $B:1 {last}:1",
        special_tokens=[(first, vocabulary[first]), (last, vocabulary[last])],
    )
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if row.type_ids else ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=row.max_tokens, model_input_names=inputs, **row.tokens
    )
