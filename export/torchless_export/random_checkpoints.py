"""A small random checkpoint of every architecture: what parity is proven on where no real weights are at hand.

What such a model says means nothing, but it says it through every weight and every setting of its architecture. Each
family describes its own (families/); here are those of architectures without a family, and what makes them all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .families import RANDOM_CHECKPOINTS, RandomCheckpoint
from .families.random_checkpoint import BERT_TOKENS, ROBERTA_TOKENS
from .samples import built_in

__all__ = ["FOREIGN", "LABELS", "RANDOM_CHECKPOINTS", "TAGS", "RandomCheckpoint", "make"]

LABELS = ("negative", "neutral", "positive")
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
_SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}

# Without a family: through optimum.
_HEADS = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
_WITHOUT_PAD = {role: token for role, token in BERT_TOKENS.items() if role != "pad_token"}
FOREIGN: dict[str, RandomCheckpoint] = {
    "bart": RandomCheckpoint(
        "bart",
        settings={
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "max_position_embeddings": 64,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "decoder_start_token_id": 3,
            "forced_eos_token_id": None,
            **_HEADS,
        },
    ),
    "big_bird": RandomCheckpoint("big_bird", settings={"max_position_embeddings": 64}),
    "ernie": RandomCheckpoint("ernie", settings={"max_position_embeddings": 64}, type_ids=True),
    "gpt2, no padding": RandomCheckpoint(
        "gpt2", settings={"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}, tokens=_WITHOUT_PAD
    ),
    "mobilebert": RandomCheckpoint(
        "mobilebert",
        settings={"max_position_embeddings": 64, "embedding_size": 32, "intra_bottleneck_size": 32},
        type_ids=True,
    ),
    "longformer": RandomCheckpoint(
        "longformer", settings={"max_position_embeddings": 66, "attention_window": 8}, tokens=ROBERTA_TOKENS
    ),
    "roformer": RandomCheckpoint(
        "roformer", settings={"max_position_embeddings": 64, "embedding_size": 32}, type_ids=True
    ),
}


def make(random: RandomCheckpoint, folder: Path, *, tagger: bool = False) -> Path:
    """Write a random classifier of texts, or of tokens, as transformers saves it; the same one every time."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoModelForTokenClassification

    tokenizer = _tokenizer(random)
    labels, loader = (TAGS, AutoModelForTokenClassification) if tagger else (LABELS, AutoModelForSequenceClassification)
    config = AutoConfig.for_model(
        random.model_type,
        **{
            **({} if {"dim", "d_model", "n_embd", "hidden_size"} & set(random.settings) else _SIZES),
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.cls_token_id,
            "eos_token_id": tokenizer.sep_token_id,
            "id2label": dict(enumerate(labels)),
            "label2id": {name: index for index, name in enumerate(labels)},
            **random.settings,
        },
    )
    torch.manual_seed(11)
    model = loader.from_config(config)
    # The usual initialisation is so small that every text answers alike. What is added shrinks with the hidden size, as
    # sums over it grow: activations stay where float32 is as exact as in a trained model.
    noise = 0.15 * (_SIZES["hidden_size"] / config.hidden_size) ** 0.5
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * noise)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(random: RandomCheckpoint) -> Any:
    """WordPiece over letters and the commoner words of the built-in sample."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = " ".join(built_in()).lower().split()
    common = sorted({word for word in words if word.isalpha() and word.isascii() and words.count(word) > 4})
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = dict.fromkeys([*random.tokens.values(), *letters, *(f"##{letter}" for letter in letters), *common])
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    first, last = random.tokens["cls_token"], random.tokens["sep_token"]
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=random.tokens["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} $B:1 {last}:1",
        special_tokens=[(first, vocabulary[first]), (last, vocabulary[last])],
    )
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if random.type_ids else ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=random.max_tokens, model_input_names=inputs, **random.tokens
    )
