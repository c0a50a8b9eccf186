"""`torchless.compat.pipeline("ner")` beside transformers' own: the same calls of the same taggers.

Structure, types, words and places are equal, and scores agree within 1e-4.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import DistilBertConfig, DistilBertForTokenClassification, PreTrainedTokenizerFast

from torchless import TokenClassifier
from torchless.compat import pipeline
from torchless.compat.token_classification import TokenClassificationPipeline
from torchless.errors import InputError
from torchless_export import export
from torchless_export.quality import Gates
from torchless_export.samples import built_in

TRANSFORMERS_4 = transformers.__version__.startswith("4.")
LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC", "X-Y-Z")
TEXTS = [
    "My name is Sarah and I live in London.",
    "",
    " ",
    "\n\n leading newlines",
    "double  blanks   here ",
    "Emoji \U0001f600 and family \U0001f468\u200d\U0001f469\u200d\U0001f467 flag \U0001f1e9\U0001f1ea!",
    "cafe\u0301 na\u0308ive \ufb01lm",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd, M\u00fcller!",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
    "\u7d20\u6674\u3089\u3057\u3044\u6771\u4eac\u30bf\u30ef\u30fc\u3067\u3059",
    "hello[SEP]world [MASK] <s> </s> <unk> [UNK]",
    "ZERO\u200bwidth\u00a0nbsp\tTab",
    "\u0130stanbul \ufeffBOM \uff46\uff55\uff4c\uff4c",
    "unbelievabilities U.S.A. don't",
]
LONG = [
    "The quick brown fox jumps over Sarah in London " * 8,
    "\u6771\u4eac M\u00fcller \U0001f600 " * 20,
    "\n\n  a  b   c " * 15,
]
STRATEGIES = ("none", "simple", "first", "average", "max")


def word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return trained(tokenizer, trainers.WordPieceTrainer, continuing_subword_prefix="##")


def byte_level(add_prefix_space: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer = trained(tokenizer, trainers.BpeTrainer, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = processors.RobertaProcessing(*ends, add_prefix_space=add_prefix_space)
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return trained(tokenizer, trainers.UnigramTrainer, unk_token="[UNK]")


def trained(tokenizer: Tokenizer, trainer: Any, **options: Any) -> Tokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(
        built_in(), trainer(vocab_size=600, special_tokens=special, show_progress=False, **options)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    )
    return tokenizer


TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    "word piece": word_piece,
    "byte level": lambda: byte_level(False),
    "byte level, a blank before": lambda: byte_level(True),
    "unigram": unigram,
}


@pytest.fixture(scope="module", params=[*TOKENIZERS, "left"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, TokenClassifier]:
    """What makes transformers' pipeline of a tagger, and the same tagger exported."""
    folder = tmp_path_factory.mktemp("tagger")
    left = request.param == "left"
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=TOKENIZERS["word piece" if left else request.param](),
        model_max_length=24,
        truncation_side="left" if left else "right",
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name.lower()}_token": f"[{name}]" for name in ("PAD", "UNK", "CLS", "SEP", "MASK")},
    )
    config = DistilBertConfig(
        vocab_size=len(tokenizer),
        dim=32,
        hidden_dim=64,
        n_layers=2,
        n_heads=4,
        max_position_embeddings=64,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )
    torch.manual_seed(5)
    model = DistilBertForTokenClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder / "checkpoint")
    tokenizer.save_pretrained(folder / "checkpoint")
    export(folder / "checkpoint", folder / "bundle", precisions=("fp32",), gates=Gates(max_disagreement=1))

    def theirs(**settings: Any) -> Any:
        return transformers.pipeline("token-classification", model=model, tokenizer=tokenizer, device=-1, **settings)

    return theirs, TokenClassifier.load(folder / "bundle")


def words(texts: list[str]) -> list[list[str]]:
    return [text.split(" ") for text in texts]


def calls() -> dict[str, tuple[dict[str, Any], Callable[[Any], Any]]]:
    """By name: the settings of the pipeline, and what is asked of it."""
    found: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
        "one text": ({}, lambda pipe: pipe(TEXTS[0])),
        "a generator": ({}, lambda pipe: list(pipe(text for text in TEXTS))),
        "a stride and no strategy": ({"stride": 4}, lambda pipe: pipe(LONG)),
        "a stride at construction": ({"stride": 4, "aggregation_strategy": "max"}, lambda pipe: pipe(LONG)),
        "ignore_labels at construction": ({"ignore_labels": []}, lambda pipe: pipe(TEXTS)),
        "words at construction": ({"is_split_into_words": True, "delimiter": "_"}, lambda pipe: pipe(TEXTS)),
        "one list of words": ({}, lambda pipe: pipe(["a", "London"], is_split_into_words=True)),
        "no words": ({}, lambda pipe: pipe([[]], is_split_into_words=True)),
        "another case": ({}, lambda pipe: pipe(TEXTS, aggregation_strategy="Simple")),
        "a tuple of labels": ({}, lambda pipe: pipe(TEXTS, ignore_labels=("O", "B-PER"))),
        "places": ({}, lambda pipe: pipe("ab cd", offset_mapping=[(0, 1), (1, 2), (3, 4)] * 8)),
        "places of two": ({}, lambda pipe: pipe(["ab cd", "x"], offset_mapping=[[(0, 1), (1, 2)] * 12] * 2)),
    }
    for name in STRATEGIES:
        found |= {
            f"{name}": ({}, lambda pipe, name=name: pipe(TEXTS, aggregation_strategy=name)),
            f"{name}, all labels": (
                {},
                lambda pipe, name=name: pipe(TEXTS, aggregation_strategy=name, ignore_labels=[]),
            ),
            f"{name}, cut": ({}, lambda pipe, name=name: pipe(LONG, aggregation_strategy=name)),
            f"{name}, words": (
                {},
                lambda pipe, name=name: pipe(
                    words(TEXTS + LONG), aggregation_strategy=name, is_split_into_words=True, delimiter="--"
                ),
            ),
        }
        if name != "none":
            for stride in (0, 5, 19):
                found[f"{name}, stride {stride}"] = (
                    {"aggregation_strategy": name},
                    lambda pipe, stride=stride: pipe(LONG + TEXTS, stride=stride, ignore_labels=["O", "LOC"]),
                )
    if TRANSFORMERS_4:
        found["grouped"] = ({}, lambda pipe: pipe(TEXTS, grouped_entities=True))
        found["grouped words"] = ({"grouped_entities": True, "ignore_subwords": True}, lambda pipe: pipe(TEXTS))
        found["not grouped"] = ({}, lambda pipe: pipe(TEXTS, ignore_subwords=True))
    return found


def difference(ours: Any, theirs: Any, where: str = "") -> str | None:
    """The first place where two answers differ."""
    if type(ours) is not type(theirs):
        return f"{where}: {type(ours).__name__}, not {type(theirs).__name__}"
    if isinstance(ours, dict):
        if list(ours) != list(theirs):
            return f"{where}: {list(ours)}, not {list(theirs)}"
        return next((d for key in ours if (d := difference(ours[key], theirs[key], f"{where}.{key}"))), None)
    if isinstance(ours, list):
        if len(ours) != len(theirs):
            return f"{where}: {len(ours)}, not {len(theirs)}"
        pairs = enumerate(zip(ours, theirs, strict=True))
        return next((d for index, pair in pairs if (d := difference(*pair, f"{where}[{index}]"))), None)
    same = abs(ours - theirs) < 1e-4 if isinstance(ours, (float, np.floating)) else ours == theirs
    return None if same else f"{where}: {ours!r}, not {theirs!r}"


@pytest.mark.filterwarnings("ignore")
def test_every_call_is_answered_as_transformers_does(both: tuple[Any, TokenClassifier]) -> None:
    make, tagger = both
    found = {}
    for name, (settings, call) in calls().items():
        ours = call(pipeline("ner", model=tagger, **settings))
        if different := difference(ours, call(make(**settings))):
            found[name] = different
    assert found == {}


BAD: dict[str, Callable[[Any], Any]] = {
    "an empty list": lambda pipe: pipe([]),
    "none": lambda pipe: pipe(None),
    "a tuple": lambda pipe: pipe(("a", "b")),
    "a dict": lambda pipe: pipe({"text": "a"}),
    "numbers": lambda pipe: pipe([1]),
    "words without saying so": lambda pipe: pipe([["a", "b"]]),
    "a text for words": lambda pipe: pipe("a b", is_split_into_words=True),
    "words and a text": lambda pipe: pipe([["a"], "b"], is_split_into_words=True),
    "a number among words": lambda pipe: pipe([["a", 1]], is_split_into_words=True),
    "an unknown strategy": lambda pipe: pipe("a", aggregation_strategy="best"),
    "a number as strategy": lambda pipe: pipe("a", aggregation_strategy=5),
    "a stride without aggregation": lambda pipe: pipe("a", stride=3, aggregation_strategy="none"),
    "a stride as long as a window": lambda pipe: pipe(LONG, stride=24, aggregation_strategy="simple"),
    "a stride as long as its tokens": lambda pipe: pipe(LONG, stride=22, aggregation_strategy="simple"),
    "places for another number of texts": lambda pipe: pipe(["a", "b"], offset_mapping=[[(0, 1)] * 9]),
    "too few places": lambda pipe: pipe("ab cd ef", offset_mapping=[(0, 0)]),
    "a bare label": lambda pipe: pipe("a b c", ignore_labels="O"),
    "an unknown argument": lambda pipe: pipe("a", nope=1),
}


@pytest.mark.filterwarnings("ignore")
def test_what_transformers_refuses_is_refused(both: tuple[Any, TokenClassifier]) -> None:
    make, tagger = both
    theirs, ours = make(), pipeline("token-classification", model=tagger)
    for call in BAD.values():
        with pytest.raises(BaseException):  # noqa: B017, PT011  # of any kind, a panic of `tokenizers` among them
            call(theirs)
        with pytest.raises(InputError):
            call(ours)


def test_a_tagger_s_bundle_has_this_task(tiny_tagger: Path) -> None:
    found = pipeline(model=tiny_tagger)
    assert isinstance(found, TokenClassificationPipeline)
    assert (found.task, pipeline("ner", tiny_tagger).task) == ("token-classification", "ner")


def test_what_is_not_read_of_a_long_text_is_said(tiny_tagger: Path) -> None:
    long_text = "a b c d " * 40
    tag = pipeline("ner", tiny_tagger)
    with pytest.warns(UserWarning, match=r"inputs\[1\] is longer than the 64 tokens that the model takes"):
        tag(["a", long_text])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tag([long_text], stride=8, aggregation_strategy="simple")
