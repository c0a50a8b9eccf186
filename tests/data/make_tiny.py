"""Make tests/data/tiny: a bundle of a few dozen kilobytes, so that runtime tests need neither torch nor a network.

    python tests/data/make_tiny.py

The weights are random and seeded; what the model says means nothing, but it says it through every code path.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import DistilBertConfig, DistilBertForSequenceClassification, PreTrainedTokenizerFast

from torchless_export import export
from torchless_export.quality import Gates
from torchless_export.samples import built_in

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LABELS = ["negative", "neutral", "positive"]


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer of letters and of the sample's commoner words."""
    words = " ".join(built_in()).lower().split()
    common = sorted({word for word in words if word.isalpha() and word.isascii() and words.count(word) > 4})
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *common]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    names = dict(zip(["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"], SPECIAL, strict=True))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=64, model_input_names=["input_ids", "attention_mask"], **names
    )


def make_checkpoint(folder: Path) -> Path:
    """A random DistilBERT classifier as transformers saves it."""
    tokenizer = make_tokenizer()
    torch.manual_seed(11)
    config = DistilBertConfig(
        vocab_size=len(tokenizer),
        dim=32,
        hidden_dim=64,
        n_layers=2,
        n_heads=4,
        max_position_embeddings=64,
        id2label=dict(enumerate(LABELS)),
        label2id={name: index for index, name in enumerate(LABELS)},
        pad_token_id=0,
    )
    model = DistilBertForSequenceClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():  # the usual initialisation is so small that every text answers alike
            parameter.add_(torch.randn_like(parameter) * 0.15)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = make_checkpoint(Path(folder) / "tiny")
        export(checkpoint, Path(__file__).parent / "tiny", gates=Gates(max_disagreement=1), say=print)
