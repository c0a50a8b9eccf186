"""Every kind of tokenizer that a checkpoint may have becomes one tokenizer.json."""

from __future__ import annotations

import inspect
import io
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import torchless.inputs.tokens
import torchless_export.checkpoint.tokenizer
from torchless import Bundle, Classifier, verify
from torchless.errors import InputError, MissingExtraError
from torchless_export import export
from torchless_export.errors import CheckpointError, ParityError, UnsupportedModelError
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


def test_what_transformers_5_writes_is_read_by_version_4(broken: Path, tmp_path: Path) -> None:
    edit(
        broken / "tokenizer_config.json",
        tokenizer_class="TokenizersBackend",
        backend="tokenizers",
        extra_special_tokens=["<url>"],
        model_input_names=["input_ids", "attention_mask"],
    )
    (broken / "special_tokens_map.json").unlink(missing_ok=True)
    export(broken, tmp_path / "out", precisions=["fp32"])
    tokenizer = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    assert len(tokenizer.encode("<url>", add_special_tokens=False).ids) == 1


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **fields}), encoding="utf-8")


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


def answers(folder: Path, out: Path, texts: list[str], **options: Any) -> tuple[Any, Any]:
    """Logits of texts: of the bundle, and of PyTorch asked for one text at a time."""
    report = export(folder, out, precisions=["fp32"], **options)
    assert report.parity.token_ids_equal
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    inputs = [tokenizer(text, truncation=True, max_length=64, return_tensors="pt") for text in texts]
    taken = set(inspect.signature(model.forward).parameters)
    with torch.inference_mode():
        rows = [model(**{name: row[name] for name in row if name in taken}).logits[0].numpy() for row in inputs]
    return Classifier.load(out).logits(texts), np.stack(rows)


LONG = "good " * 70 + "bad " * 70


@pytest.mark.parametrize(
    "settings",
    [
        {"padding_side": "left"},
        {"truncation_side": "left"},
        {"split_special_tokens": True},
        {"model_input_names": ["input_ids"]},
        {"pad_token": None},
        {"clean_up_tokenization_spaces": True},
        {"model_max_length": 8192},
    ],
    ids=str,
)
def test_what_stands_outside_tokenizer_json_counts(broken: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    edit(broken / "tokenizer_config.json", **settings)
    (broken / "special_tokens_map.json").unlink(missing_ok=True)
    actual, expected = answers(broken, tmp_path / "out", ["a good film", LONG, "", "x [SEP] [MASK]y"])
    np.testing.assert_allclose(actual, expected, atol=1e-4)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    side = settings.get("truncation_side")
    assert (manifest["format_version"], manifest.get("truncation_side")) == (2 if side else 1, side)


def test_left_truncation_written_into_the_tokenizer_counts(broken: Path, tmp_path: Path) -> None:
    path = broken / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(64, direction="left")
    tokenizer.save(str(path))
    actual, expected = answers(broken, tmp_path / "out", [LONG])
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_a_tokenizer_without_special_tokens_reads_all_but_the_empty_text(broken: Path, tmp_path: Path) -> None:
    edit(broken / "tokenizer.json", post_processor=None)
    actual, expected = answers(broken, tmp_path / "out", ["a good film", LONG])
    np.testing.assert_allclose(actual, expected, atol=1e-4)
    verify(tmp_path / "out")
    with pytest.raises(InputError, match=r"texts\[1\]: expected a text with a token"):
        Classifier.load(tmp_path / "out").predict(["good", ""])


def test_a_vocabulary_without_latin_letters_is_proven_on_its_own_words(broken: Path, tmp_path: Path) -> None:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"天气很好电影不看去公园"]
    content = json.loads((broken / "tokenizer.json").read_text(encoding="utf-8"))
    model = {"type": "BPE", "vocab": {piece: index for index, piece in enumerate(pieces)}, "merges": []}
    special = {
        token: {"id": token, "ids": [pieces.index(token)], "tokens": [token]}
        for token in content["post_processor"]["special_tokens"]
    }
    added = [{**token, "id": pieces.index(token["content"])} for token in content["added_tokens"]]
    edit(
        broken / "tokenizer.json",
        model=model,
        added_tokens=added,
        post_processor={**content["post_processor"], "special_tokens": special},
    )
    config = json.loads((broken / "tokenizer_config.json").read_text(encoding="utf-8"))
    config.pop("added_tokens_decoder", None)
    (broken / "tokenizer_config.json").write_text(json.dumps({**config, "unk_token": None}), encoding="utf-8")
    (broken / "special_tokens_map.json").unlink(missing_ok=True)
    texts = ["天气很好", "film 电影不好看", "film"]
    actual, expected = answers(broken, tmp_path / "out", texts)
    np.testing.assert_allclose(actual, expected, atol=1e-4)
    assert Bundle.open(tmp_path / "out").manifest.quality["parity"]["longest_tokens"] == 64


@pytest.mark.parametrize("tagger", [False, True])
def test_neither_latin_letters_nor_special_tokens_leave_a_bundle_that_cannot_be_verified(
    broken: Path, tmp_path: Path, tagger: bool
) -> None:
    pieces = ["[PAD]", "[UNK]", *"天气很好电影不看去公园"]
    model = {"type": "BPE", "vocab": {piece: index for index, piece in enumerate(pieces)}, "merges": []}
    edit(broken / "tokenizer.json", model=model, added_tokens=[], post_processor=None)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64, "pad_token": "[PAD]"}
    (broken / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (broken / "special_tokens_map.json").unlink(missing_ok=True)
    if tagger:
        edit(broken / "config.json", architectures=["DistilBertForTokenClassification"])
        tensors = {name: each for name, each in load_file(broken / "model.safetensors").items() if "pre_cl" not in name}
        save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    export(broken, tmp_path / "out", precisions=["fp32"])
    assert verify(tmp_path / "out")


def test_added_words_keep_their_ids_where_special_ones_are_not_recognised(broken: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(broken)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<e1>", "<e2>"]})
    tokenizer.add_tokens(["covidish", "zoomers"])
    loaded = AutoModelForSequenceClassification.from_pretrained(broken)
    loaded.resize_token_embeddings(len(tokenizer))
    loaded.save_pretrained(broken)
    tokenizer.save_pretrained(broken)
    edit(broken / "tokenizer_config.json", split_special_tokens=True)
    texts = ["covidish <e1> zoomers </e1>", "<e2>", "a zoomers film"]
    actual, expected = answers(broken, tmp_path / "out", texts)
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_a_tokenizer_of_python_code_is_refused_by_its_name(broken: Path, tmp_path: Path) -> None:
    (broken / "tokenizer.json").unlink()
    (broken / "vocab.txt").write_text("good 10\nbad 10\n")
    (broken / "bpe.codes").write_text("g o 5\n")
    edit(broken / "tokenizer_config.json", tokenizer_class="BertweetTokenizer")
    refused(broken, tmp_path / "out", UnsupportedModelError, "tokenizer_class: BertweetTokenizer runs as Python code")


def test_python_code_whose_packages_are_missing_is_refused_for_what_it_is(broken: Path, tmp_path: Path) -> None:
    if find_spec("fugashi"):
        pytest.skip("its package is here")
    content = json.loads((broken / "tokenizer.json").read_text(encoding="utf-8"))
    (broken / "tokenizer.json").unlink()
    (broken / "vocab.txt").write_text("\n".join(content["model"]["vocab"]) + "\n")
    edit(broken / "tokenizer_config.json", tokenizer_class="BertJapaneseTokenizer", word_tokenizer_type="mecab")
    refused(broken, tmp_path / "out", UnsupportedModelError, "tokenizer_class: BertJapaneseTokenizer runs as Python")


_DELEGATES = """from pathlib import Path
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizer


class Own(PreTrainedTokenizer):
    def __init__(self, **options):
        self.backend = Tokenizer.from_file(FILE)
        super().__init__(**options)

    vocab_size = property(lambda self: self.backend.get_vocab_size())

    def get_vocab(self):
        return self.backend.get_vocab()

    def _tokenize(self, text):
        return self.backend.encode(CHANGED, add_special_tokens=False).tokens

    def _convert_token_to_id(self, token):
        return self.backend.token_to_id(token)

    def _convert_id_to_token(self, index):
        return self.backend.id_to_token(index)

    def build_inputs_with_special_tokens(self, ids, others=None):
        return [self.cls_token_id, *ids, self.sep_token_id]

    def save_vocabulary(self, *_, **__):
        return ()
"""


@pytest.mark.skipif(transformers.__version__ >= "5", reason="transformers 5 reads tokenizer.json first")
@pytest.mark.parametrize("same", [True, False])
def test_a_tokenizer_json_beside_python_code_is_taken_where_it_is_proven(
    same: bool, broken: Path, tmp_path: Path
) -> None:
    """As PhoBERT and BERTweet have it: a class of Python code, and a tokenizer.json that it does not read."""
    file = repr(str(broken / "tokenizer.json"))
    code = _DELEGATES.replace("FILE", file).replace("CHANGED", "text" if same else "text.replace('oo', 'u')")
    (broken / "own.py").write_text(code)
    edit(broken / "tokenizer_config.json", tokenizer_class="Own", auto_map={"AutoTokenizer": ["own.Own", None]})
    options: dict[str, Any] = {"precisions": ["fp32"], "trust_remote_code": True}
    if same:
        assert export(broken, tmp_path / "out", **options).parity.token_ids_equal
        return
    with pytest.raises(ParityError, match=r"token ids differ: .*Own runs as Python code alone"):
        export(broken, tmp_path / "out", **options)


def in_python(folder: Path, body: str) -> Path:
    """The checkpoint with a tokenizer of Python code of its own: a subclass of BERT's slow one."""
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(content["model"]["vocab"]) + "\n")
    (folder / "own.py").write_text(
        f"from transformers import BertTokenizer\n\n\nclass Own(BertTokenizer):\n    {body}\n"
    )
    edit(folder / "tokenizer_config.json", tokenizer_class="Own", auto_map={"AutoTokenizer": ["own.Own", None]})
    return folder


@pytest.mark.skipif(transformers.__version__ >= "5", reason="transformers 5 has no slow tokenizer of BERT's")
def test_a_tokenizer_of_python_code_is_converted_and_proven(broken: Path, tmp_path: Path) -> None:
    folder = in_python(broken, "pass")
    report = export(folder, tmp_path / "out", precisions=["fp32"], graph="padded", trust_remote_code=True)
    assert report.parity.token_ids_equal
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    assert not tokenizer.is_fast
    texts = ["a Good film, x", "", LONG, "[SEP] \u00e9\u0301 \u5929\u6c14"]
    expected = [tokenizer(text, truncation=True, max_length=64)["input_ids"] for text in texts]
    batch = Bundle.open(tmp_path / "out").tokenizer().encode(texts)
    assert [row.tolist() for row in np.split(batch.input_ids, batch.offsets[1:-1])] == expected
    again = AutoTokenizer.from_pretrained(tmp_path / "out")  # other programs load it without the code
    assert [again(text, truncation=True)["input_ids"] for text in texts] == expected


@pytest.mark.skipif(transformers.__version__ >= "5", reason="transformers 5 has no slow tokenizer of BERT's")
def test_a_tokenizer_of_python_code_that_does_more_is_refused_by_its_name(broken: Path, tmp_path: Path) -> None:
    more = "def _tokenize(self, text, **options):\n        return super()._tokenize(text.replace('oo', 'u'), **options)"
    folder = in_python(broken, more)
    with pytest.raises(ParityError, match=r"token ids differ: .* in transformers.*Own runs as Python code alone"):
        export(folder, tmp_path / "out", precisions=["fp32"], trust_remote_code=True)
    assert not (tmp_path / "out").exists()


def test_dropout_in_the_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = make(RANDOM_CHECKPOINTS["roberta"], tmp_path / "roberta")
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    edit(
        folder / "tokenizer.json",
        model={"type": "BPE", "dropout": 0.1, "vocab": content["model"]["vocab"], "merges": []},
    )
    refused(folder, tmp_path / "out", UnsupportedModelError, r"model\.dropout: expected null, got 0\.1")


def test_a_tokenizer_that_fails_on_unknown_characters_is_refused(broken: Path, tmp_path: Path) -> None:
    content = json.loads((broken / "tokenizer.json").read_text(encoding="utf-8"))
    edit(broken / "tokenizer.json", model={**content["model"], "unk_token": "[NONE]"})
    refused(broken, tmp_path / "out", CheckpointError, "fails on characters that it does not know")


def test_a_post_processor_without_its_tokens_is_refused(broken: Path, tmp_path: Path) -> None:
    """`tokenizers` panics on it, and Rust's panics are no Exception."""
    content = json.loads((broken / "tokenizer.json").read_text(encoding="utf-8"))
    edit(broken / "tokenizer.json", post_processor={**content["post_processor"], "special_tokens": {}})
    refused(
        broken, tmp_path / "out", CheckpointError, r"tokenizer\.json, post_processor: the tokenizer fails on the empty"
    )


@pytest.mark.parametrize("stated", [0, 2, -1])
def test_a_length_that_leaves_no_room_for_a_text_is_refused(broken: Path, tmp_path: Path, stated: int) -> None:
    edit(broken / "tokenizer_config.json", model_max_length=stated)
    complaint = f"model_max_length: .* 3 or more, of which 2 are special tokens, got {stated}"
    refused(broken, tmp_path / "out", UnsupportedModelError, complaint)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"model_max_length": "512"}, "model_max_length: expected the longest text in tokens, got '512'"),
        ({"padding_side": "middle"}, "padding_side: expected left or right, got 'middle'"),
        ({"truncation_side": 1}, "truncation_side: expected left or right, got 1"),
        ({"split_special_tokens": "no"}, "split_special_tokens: expected true or false, got 'no'"),
        ({"model_input_names": "input_ids"}, "model_input_names: expected a list of names, got 'input_ids'"),
        ({"model_input_names": None}, "model_input_names: expected a list of names, got None"),
        ({"pad_token": {"a": 1}}, "pad_token: expected a string, or an object with a string as its content"),
        ({"tokenizer_class": 5}, "tokenizer_class: expected the name of a class, got 5"),
        ({"added_tokens_decoder": {"x": "[PAD]"}}, "added_tokens_decoder: expected an object of tokens by their ids"),
    ],
)
def test_a_wrong_setting_of_the_tokenizer_is_named(
    broken: Path, tmp_path: Path, fields: dict[str, Any], complaint: str
) -> None:
    edit(broken / "tokenizer_config.json", **fields)
    refused(broken, tmp_path / "out", CheckpointError, rf"tokenizer_config\.json, {complaint}")


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\x00\xff"])
def test_a_damaged_file_of_the_tokenizer_is_named(broken: Path, tmp_path: Path, name: str, content: bytes) -> None:
    (broken / name).write_bytes(content)
    refused(broken, tmp_path / "out", CheckpointError, name.replace(".", r"\."))
