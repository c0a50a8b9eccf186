"""Every kind of tokenizer that a checkpoint may have becomes one tokenizer.json."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import sentencepiece
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from transformers import AutoModelForSequenceClassification

import torchless.inputs.tokens
import torchless_export.checkpoint.tokenizer
from torchless import Classifier
from torchless.errors import MissingExtraError
from torchless_export import export
from torchless_export.errors import CheckpointError
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make
from torchless_export.samples import built_in


def test_a_vocabulary_alone_is_a_tokenizer(broken: Path, tmp_path: Path) -> None:
    vocabulary = Tokenizer.from_file(str(broken / "tokenizer.json")).get_vocab()
    (broken / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=lambda piece: vocabulary[piece])))
    (broken / "tokenizer.json").unlink()
    (broken / "tokenizer_config.json").write_text('{"tokenizer_class": "DistilBertTokenizer"}')
    export(broken, tmp_path / "out", precisions=["fp32"])
    content = json.loads((tmp_path / "out" / "tokenizer.json").read_text(encoding="utf-8"))
    assert content["model"]["type"] == "WordPiece"
    assert content["model"]["vocab"] == vocabulary
    assert content["padding"] is None
    assert content["truncation"] is None


def refused(folder: Path, out: Path, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        export(folder, out)
    assert not out.exists()


def test_a_checkpoint_without_a_tokenizer_is_named(broken: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (broken / name).unlink(missing_ok=True)
    refused(broken, tmp_path / "out", CheckpointError, "no usable tokenizer")


@pytest.mark.parametrize(("stated", "expected"), [(10**30, 64), (16, 16), (None, 64)])
def test_a_text_is_as_long_as_model_and_tokenizer_both_allow(
    broken: Path, tmp_path: Path, stated: int | None, expected: int
) -> None:
    path = broken / "tokenizer_config.json"
    config = {**json.loads(path.read_text()), "model_max_length": stated}
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))
    report = export(broken, tmp_path / "out", precisions=["fp32"])
    assert Classifier.load(tmp_path / "out").manifest.max_tokens == report.parity.longest_tokens == expected


def test_padding_and_truncation_baked_into_the_tokenizer_are_dropped(broken: Path, tmp_path: Path) -> None:
    path = broken / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=32)
    tokenizer.save(str(path))
    report = export(broken, tmp_path / "out", precisions=["fp32"])
    assert (report.parity.shortest_tokens, report.parity.longest_tokens) == (2, 64)


def test_a_vocabulary_and_merges_are_a_tokenizer(tmp_path: Path) -> None:
    folder = make(RANDOM_CHECKPOINTS["roberta"], tmp_path / "roberta")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    trained = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(built_in(), vocab_size=300, special_tokens=special, show_progress=False)
    trained.save_model(str(folder))  # vocab.json and merges.txt
    resize(folder, trained.get_vocab_size())
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer"}')
    export(folder, tmp_path / "out", precisions=["fp32"])
    content = json.loads((tmp_path / "out" / "tokenizer.json").read_text(encoding="utf-8"))
    assert content["model"]["type"] == "BPE"


def test_a_sentencepiece_model_is_a_tokenizer(tmp_path: Path) -> None:
    folder = make(RANDOM_CHECKPOINTS["deberta-v3"], tmp_path / "deberta")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(built_in()),
        model_writer=model,
        vocab_size=300,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        pad_piece="[PAD]",
        unk_piece="[UNK]",
        minloglevel=2,
    )
    (folder / "spm.model").write_bytes(model.getvalue())
    resize(folder, 301)  # and [MASK]
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "DebertaV2Tokenizer"}')
    export(folder, tmp_path / "out", precisions=["fp32"])
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    text = "The film was good."
    batch = torchless.inputs.tokens.Tokenizer(tmp_path / "out" / "tokenizer.json", 64).encode([text])
    assert batch.input_ids.tolist() == [1, *pieces.encode(text), 2]


def test_a_sentencepiece_model_without_sentencepiece_says_what_to_install(
    broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (broken / "tokenizer.json").rename(broken / "spm.model")
    monkeypatch.setattr(torchless_export.checkpoint.tokenizer, "find_spec", lambda _: None)
    refused(broken, tmp_path / "out", MissingExtraError, r"spm\.model needs sentencepiece")


def resize(folder: Path, size: int) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    model.resize_token_embeddings(size)
    model.save_pretrained(folder)
