"""`torchless.compat.pipeline` beside transformers' own: the same calls, compared in structure, labels and scores."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import GeneratorType
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from torchless.compat import pipeline
from torchless.errors import InputError
from torchless_export import export
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make

TRANSFORMERS_4 = transformers.__version__.startswith("4.")
TOLERANCE = 1e-4

GOOD, BAD, SHORT = "A film of rare warmth and wit.", "I hate this so much, every minute of it!", "no"
UNICODE = "Ça, c'est 素晴らしい \U0001f600 \ufb01lm\u0301 \u200b\u00a0x"
LONG = "it goes on and on " * 40
TEXTS = [GOOD, BAD, "", UNICODE, SHORT]
PAIR = {"text": GOOD, "text_pair": BAD}
LONG_PAIR = {"text": LONG, "text_pair": BAD}
TOPICS = ["film", "the weather", "politics", "x"]

NAMES = ("contradiction", "neutral", "entailment")
# One checkpoint, and what config.json says about its head.
MODELS: dict[str, dict[str, Any]] = {
    "softmax": {},
    "sigmoid": {"problem_type": "multi_label_classification"},
    "named function": {"function_to_apply": "sigmoid"},  # transformers reads it where there is no label alone
    "one label": {"id2label": {"0": "score"}},
    "regression": {"id2label": {"0": "score"}, "problem_type": "regression"},
    "cross-encoder": {
        "id2label": dict(enumerate(NAMES)),
        "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"},
    },
    "ranker": {"id2label": {"0": "score"}, "sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"},
    "nli": {"id2label": dict(enumerate(NAMES))},
    "nli reversed": {"id2label": dict(enumerate(NAMES[::-1]))},
    "nli upper": {"id2label": {"0": "NEUTRAL", "1": "ENTAILMENT", "2": "CONTRADICTION"}},
    "nli unnamed": {"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}},
}


@dataclass(frozen=True)
class Call:
    """One call of a pipeline, the same for both."""

    call: Callable[[Any], Any]
    model: str = "softmax"
    settings: Mapping[str, Any] = field(default_factory=dict)
    warns: bool = False


TEXT: dict[str, Call] = {
    "a str": Call(lambda pipe: pipe(GOOD)),
    "inputs by name": Call(lambda pipe: pipe(inputs=GOOD)),
    "an empty str": Call(lambda pipe: pipe("")),
    "unicode": Call(lambda pipe: pipe(UNICODE, top_k=None)),
    "a list": Call(lambda pipe: pipe(TEXTS)),
    "a list of one": Call(lambda pipe: pipe([GOOD])),
    "a tuple of one": Call(lambda pipe: pipe((GOOD,))),
    "a list of tuples of one": Call(lambda pipe: pipe([(GOOD,), (BAD,)])),
    "a generator": Call(lambda pipe: pipe(text for text in TEXTS)),
    "a generator in batches": Call(lambda pipe: pipe((text for text in TEXTS), batch_size=2)),
    "a generator, top_k": Call(lambda pipe: pipe((text for text in TEXTS), top_k=2)),
    "a generator of dicts": Call(lambda pipe: pipe(item for item in [PAIR, GOOD])),
    "an empty generator": Call(lambda pipe: pipe(text for text in ())),
    "batch_size, num_workers": Call(lambda pipe: pipe(TEXTS, batch_size=2, num_workers=0)),
    "batch_size at construction": Call(lambda pipe: pipe(TEXTS), settings={"batch_size": 3, "num_workers": 0}),
    "a dict": Call(lambda pipe: pipe({"text": GOOD})),
    "a dict, top_k": Call(lambda pipe: pipe({"text": GOOD}, top_k=1)),
    "a dict whose pair is None": Call(lambda pipe: pipe({"text": GOOD, "text_pair": None})),
    "a pair": Call(lambda pipe: pipe(PAIR)),
    "a pair, top_k": Call(lambda pipe: pipe(PAIR, top_k=None)),
    "a pair with an empty text": Call(
        lambda pipe: pipe([{"text": "", "text_pair": BAD}, {"text": BAD, "text_pair": ""}])
    ),
    "an empty text_pair by itself": Call(lambda pipe: pipe([GOOD, SHORT], text_pair="")),
    "an empty text in the old way of pairs": Call(lambda pipe: pipe([[[BAD, ""]], [["", BAD]]])),
    "pairs and texts": Call(lambda pipe: pipe([PAIR, {"text": BAD}, GOOD, {"text": BAD, "text_pair": GOOD}])),
    "pairs and texts, top_k": Call(lambda pipe: pipe([PAIR, {"text": BAD}, GOOD], top_k=2)),
    "text_pair by itself": Call(lambda pipe: pipe(GOOD, text_pair=BAD)),
    "text_pair for a list": Call(lambda pipe: pipe([GOOD, SHORT], text_pair=BAD)),
    "text_pair for a dict": Call(lambda pipe: pipe({"text": GOOD}, text_pair=BAD)),
    "the old way of pairs": Call(lambda pipe: pipe([[[GOOD, BAD]]])),
    "many in the old way of pairs": Call(lambda pipe: pipe([[[GOOD, BAD]], [[BAD, GOOD]], SHORT], top_k=1)),
    "top_k 1": Call(lambda pipe: pipe(GOOD, top_k=1)),
    "top_k 2": Call(lambda pipe: pipe(GOOD, top_k=2)),
    "top_k None": Call(lambda pipe: pipe(GOOD, top_k=None)),
    "top_k beyond the labels": Call(lambda pipe: pipe(GOOD, top_k=99)),
    "top_k 0": Call(lambda pipe: pipe(GOOD, top_k=0)),
    "top_k -1": Call(lambda pipe: pipe(GOOD, top_k=-1)),
    "a list, top_k 1": Call(lambda pipe: pipe([GOOD, BAD], top_k=1)),
    "a list, top_k None": Call(lambda pipe: pipe([GOOD, BAD], top_k=None)),
    "top_k at construction": Call(lambda pipe: pipe(GOOD), settings={"top_k": 2}),
    "top_k None at construction": Call(lambda pipe: pipe(GOOD), settings={"top_k": None}),
    "top_k 1 at construction": Call(lambda pipe: pipe(GOOD), settings={"top_k": 1}),
    "top_k at construction, a list": Call(lambda pipe: pipe([GOOD, BAD]), settings={"top_k": 2}),
    "top_k at construction, a dict": Call(lambda pipe: pipe(PAIR), settings={"top_k": 2}),
    "top_k at construction and call": Call(lambda pipe: pipe(GOOD, top_k=1), settings={"top_k": 2}),
    "softmax": Call(lambda pipe: pipe(GOOD, function_to_apply="softmax"), "sigmoid"),
    "sigmoid": Call(lambda pipe: pipe(GOOD, function_to_apply="sigmoid", top_k=None)),
    "none": Call(lambda pipe: pipe(GOOD, function_to_apply="none", top_k=None)),
    "SOFTMAX": Call(lambda pipe: pipe(GOOD, function_to_apply="SOFTMAX"), "sigmoid"),
    "function None": Call(lambda pipe: pipe(GOOD, function_to_apply=None)),
    "function at construction": Call(lambda pipe: pipe(GOOD), settings={"function_to_apply": "Sigmoid"}),
    "function at construction, None at call": Call(
        lambda pipe: pipe(GOOD, function_to_apply=None), settings={"function_to_apply": "none"}
    ),
    "function at construction and call": Call(
        lambda pipe: pipe(GOOD, function_to_apply="softmax"), settings={"function_to_apply": "none"}
    ),
    "multi-label": Call(lambda pipe: pipe(TEXTS), "sigmoid"),
    "a cross-encoder": Call(lambda pipe: pipe(PAIR, top_k=None), "cross-encoder"),
    "a ranker": Call(lambda pipe: pipe(PAIR), "ranker"),
    "a ranker's logits": Call(lambda pipe: pipe(PAIR, function_to_apply="none"), "ranker"),
    "multi-label, top_k": Call(lambda pipe: pipe(TEXTS, top_k=None), "sigmoid"),
    "function_to_apply in the config": Call(lambda pipe: pipe(TEXTS, top_k=None), "named function"),
    "one label": Call(lambda pipe: pipe(TEXTS), "one label"),
    "one label, top_k": Call(lambda pipe: pipe(GOOD, top_k=None), "one label"),
    "one label, softmax": Call(lambda pipe: pipe(GOOD, function_to_apply="softmax"), "one label"),
    "regression": Call(lambda pipe: pipe(TEXTS), "regression"),
    "regression, a pair": Call(lambda pipe: pipe(PAIR, top_k=1), "regression"),
    "regression, sigmoid": Call(lambda pipe: pipe(GOOD, function_to_apply="sigmoid"), "regression"),
    "truncation": Call(lambda pipe: pipe([LONG, GOOD], truncation=True)),
    "truncation of a pair": Call(lambda pipe: pipe([LONG_PAIR, {"text": BAD, "text_pair": LONG}], truncation=True)),
    "truncation at construction": Call(lambda pipe: pipe(LONG, top_k=None), settings={"truncation": True}),
    "truncation and max_length": Call(lambda pipe: pipe([LONG, GOOD, SHORT], truncation=True, max_length=8)),
    "max_length of a pair": Call(lambda pipe: pipe([PAIR, LONG_PAIR, SHORT], truncation=True, max_length=9)),
    "max_length of the special tokens": Call(lambda pipe: pipe(GOOD, truncation=True, max_length=2)),
    "max_length alone": Call(lambda pipe: pipe(LONG, max_length=8)),
    "max_length alone, padding": Call(lambda pipe: pipe(GOOD, max_length=8, padding=True), warns=True),
    "max_length alone, padding off": Call(lambda pipe: pipe(GOOD, max_length=8, padding="do_not_pad")),
    "max_length alone, padding to it": Call(lambda pipe: pipe([GOOD, SHORT], max_length=40, padding="max_length")),
    "max_length, no truncation": Call(lambda pipe: pipe(GOOD, max_length=8, truncation=False)),
    "max_length of the model": Call(lambda pipe: pipe(LONG, max_length=64, truncation=True)),
    "max_length beyond the model": Call(lambda pipe: pipe(GOOD, max_length=512, truncation=True)),
    "max_length None": Call(lambda pipe: pipe(LONG, max_length=None, truncation=True)),
    "max_length at construction": Call(lambda pipe: pipe(LONG, truncation=True), settings={"max_length": 8}),
    "truncation at construction, max_length at call": Call(
        lambda pipe: pipe(GOOD, max_length=6, padding=True), settings={"truncation": True}
    ),
    "truncation at construction, off at call": Call(
        lambda pipe: pipe(GOOD, truncation=False), settings={"truncation": True, "max_length": 6}
    ),
    "longest_first": Call(lambda pipe: pipe([PAIR, GOOD], truncation="longest_first", max_length=12)),
    "only_first": Call(lambda pipe: pipe(LONG_PAIR, truncation="only_first", max_length=40)),
    "only_first, texts": Call(lambda pipe: pipe([LONG, GOOD, SHORT], truncation="only_first", max_length=12)),
    "do_not_truncate": Call(lambda pipe: pipe(GOOD, truncation="do_not_truncate")),
    "padding": Call(lambda pipe: pipe([GOOD, SHORT], padding="longest")),
    "padding and truncation": Call(lambda pipe: pipe([LONG, SHORT], padding="max_length", truncation=True)),
    "special tokens": Call(lambda pipe: pipe(GOOD, add_special_tokens=True)),
    "settings without influence": Call(
        lambda pipe: pipe(GOOD),
        settings={"use_fast": True, "trust_remote_code": False, "tokenizer": None, "config": None},
    ),
    "dtype": Call(lambda pipe: pipe(GOOD), settings={"dtype": torch.float32}),
    "torch's device": Call(lambda pipe: pipe(GOOD), settings={"device": torch.device("cpu")}),
    "device -1": Call(lambda pipe: pipe(GOOD), settings={"device": -1}),
}
ZERO_SHOT: dict[str, Call] = {
    "a str": Call(lambda pipe: pipe(GOOD, TOPICS), "nli"),
    "by name": Call(lambda pipe: pipe(sequences=GOOD, candidate_labels=TOPICS), "nli"),
    "a list": Call(lambda pipe: pipe([GOOD, BAD, UNICODE], candidate_labels=TOPICS), "nli"),
    "a list of one": Call(lambda pipe: pipe([GOOD], TOPICS), "nli"),
    "a generator": Call(lambda pipe: pipe((text for text in [GOOD, BAD]), TOPICS), "nli"),
    "batch_size": Call(lambda pipe: pipe([GOOD, BAD], TOPICS, batch_size=2, num_workers=0), "nli"),
    "labels in a str": Call(lambda pipe: pipe(GOOD, " film, the weather,, x "), "nli"),
    "labels in a tuple": Call(lambda pipe: pipe(GOOD, tuple(TOPICS)), "nli"),
    "labels that are numbers": Call(lambda pipe: pipe(GOOD, [1, 2, 3.5]), "nli"),
    "one label": Call(lambda pipe: pipe(GOOD, "film"), "nli"),
    "one label in a list": Call(lambda pipe: pipe([GOOD, BAD], ["film"], multi_label=False), "nli"),
    "multi_label": Call(lambda pipe: pipe([GOOD, BAD], TOPICS, multi_label=True), "nli"),
    "multi_label None": Call(lambda pipe: pipe(GOOD, TOPICS, multi_label=None), "nli"),
    "a template": Call(lambda pipe: pipe(GOOD, TOPICS, hypothesis_template="Is it {0}, or not {0}?"), "nli"),
    "labels at construction": Call(lambda pipe: pipe(GOOD), "nli", {"candidate_labels": "a,b", "multi_label": True}),
    "settings at construction and call": Call(
        lambda pipe: pipe(GOOD, TOPICS, multi_label=False),
        "nli",
        {"candidate_labels": "a,b", "multi_label": True, "hypothesis_template": "{}"},
    ),
    "equal labels": Call(lambda pipe: pipe(GOOD, ["film", "FILM", "Film", "war", "WAR", "film"]), "nli"),
    "equal labels, multi_label": Call(lambda pipe: pipe(BAD, ["x", "X", "a", "A"] * 6, multi_label=True), "nli"),
    "a blank text": Call(lambda pipe: pipe("  ", TOPICS), "nli"),
    "a long text": Call(lambda pipe: pipe([LONG, GOOD], TOPICS), "nli"),
    "a long text and a long label": Call(lambda pipe: pipe(LONG, ["war " * 10, "x"]), "nli"),
    "truncation, which is on anyway": Call(lambda pipe: pipe(LONG, TOPICS, truncation=True), "nli"),
    "entailment first": Call(lambda pipe: pipe([GOOD, BAD], TOPICS), "nli reversed"),
    "entailment first, multi_label": Call(lambda pipe: pipe([GOOD, BAD], TOPICS, multi_label=True), "nli reversed"),
    "entailment between": Call(lambda pipe: pipe([GOOD, BAD], TOPICS), "nli upper"),
    "entailment between, multi_label": Call(lambda pipe: pipe([GOOD, BAD], TOPICS, multi_label=True), "nli upper"),
    "no entailment": Call(lambda pipe: pipe([GOOD, BAD], TOPICS), "nli unnamed"),
    "no entailment, multi_label": Call(lambda pipe: pipe([GOOD, BAD], TOPICS, multi_label=True), "nli unnamed"),
}
FEATURES: dict[str, Call] = {
    "a str": Call(lambda pipe: pipe(GOOD)),
    "an empty str": Call(lambda pipe: pipe("")),
    "a list": Call(lambda pipe: pipe(TEXTS)),
    "a list of one": Call(lambda pipe: pipe([GOOD])),
    "a generator": Call(lambda pipe: pipe(text for text in TEXTS)),
    "a head of another kind": Call(lambda pipe: pipe(TEXTS), "regression"),
    "tensors": Call(lambda pipe: pipe(GOOD, return_tensors=True)),
    "tensors of a list": Call(lambda pipe: pipe(TEXTS, return_tensors=True)),
    "tensors at construction": Call(lambda pipe: pipe(GOOD), settings={"return_tensors": True}),
    "no tensors at call": Call(lambda pipe: pipe(GOOD, return_tensors=False), settings={"return_tensors": True}),
    "truncation": Call(lambda pipe: pipe([LONG, SHORT], truncation=True)),
    "truncation at construction": Call(lambda pipe: pipe(LONG), settings={"truncation": True}),
    "no truncation": Call(lambda pipe: pipe(GOOD, truncation=False)),
    "tokenize_kwargs": Call(lambda pipe: pipe(LONG, tokenize_kwargs={"truncation": True, "max_length": 8})),
    "tokenize_kwargs beside truncation": Call(
        lambda pipe: pipe(LONG, truncation="only_first", tokenize_kwargs={"max_length": 8, "padding": True})
    ),
    "tokenize_kwargs at construction": Call(
        lambda pipe: pipe(LONG, tokenize_kwargs={"max_length": 5}), settings={"tokenize_kwargs": {"truncation": True}}
    ),
    "tokenize_kwargs None": Call(lambda pipe: pipe(GOOD, tokenize_kwargs=None)),
}
if TRANSFORMERS_4:  # transformers 5 fails on an empty list, and ignores what it has dropped
    for table in (TEXT, FEATURES):
        table["an empty list"] = Call(lambda pipe: pipe([]))
    ZERO_SHOT["an empty list"] = Call(lambda pipe: pipe([], TOPICS), "nli")
    ZERO_SHOT["multi_class"] = Call(lambda pipe: pipe(GOOD, TOPICS, multi_class=True), "nli", warns=True)
    TEXT |= {
        "return_all_scores": Call(lambda pipe: pipe(GOOD, return_all_scores=True), warns=True),
        "return_all_scores off": Call(lambda pipe: pipe(GOOD, return_all_scores=False), warns=True),
        "return_all_scores None": Call(lambda pipe: pipe(GOOD, return_all_scores=None)),
        "return_all_scores of a list": Call(lambda pipe: pipe(TEXTS, return_all_scores=True), "sigmoid", warns=True),
        "return_all_scores of a dict": Call(lambda pipe: pipe(PAIR, return_all_scores=True), warns=True),
        "return_all_scores and top_k": Call(lambda pipe: pipe(GOOD, return_all_scores=True, top_k=1)),
        "return_all_scores at construction": Call(
            lambda pipe: pipe(GOOD), settings={"return_all_scores": True}, warns=True
        ),
        "return_all_scores at construction, top_k": Call(
            lambda pipe: pipe(GOOD, top_k=2), settings={"return_all_scores": True}, warns=True
        ),
        "top_k at construction, return_all_scores": Call(
            lambda pipe: pipe(GOOD, return_all_scores=True), settings={"top_k": 2}, warns=True
        ),
        "top_k at construction, return_all_scores off": Call(
            lambda pipe: pipe([GOOD], return_all_scores=False), settings={"top_k": 2}, warns=True
        ),
    }
CALLS = {
    f"{task}: {name}": (task, call)
    for task, table in (
        ("text-classification", TEXT),
        ("zero-shot-classification", ZERO_SHOT),
        ("feature-extraction", FEATURES),
    )
    for name, call in table.items()
}

BAD_CALLS: dict[str, tuple[str, Call]] = {
    "no inputs": ("text-classification", Call(lambda pipe: pipe())),
    "a second argument": ("text-classification", Call(lambda pipe: pipe(GOOD, BAD))),
    "None": ("text-classification", Call(lambda pipe: pipe(None))),
    "a number": ("text-classification", Call(lambda pipe: pipe(3))),
    "bytes": ("text-classification", Call(lambda pipe: pipe(b"x"))),
    "a set": ("text-classification", Call(lambda pipe: pipe({GOOD}))),
    "an iterator": ("text-classification", Call(lambda pipe: pipe(iter([GOOD])))),
    "None among texts": ("text-classification", Call(lambda pipe: pipe([GOOD, None]))),
    "a number from a generator": ("text-classification", Call(lambda pipe: pipe(item for item in [3]))),
    "a lone surrogate": ("text-classification", Call(lambda pipe: pipe("\ud800"))),
    "a list of two": ("text-classification", Call(lambda pipe: pipe([[GOOD, BAD]]))),
    "a list of one in a list": ("text-classification", Call(lambda pipe: pipe([[GOOD]]))),
    "lists of two in a list": ("text-classification", Call(lambda pipe: pipe([[[GOOD, BAD], [GOOD, BAD]]]))),
    "a tuple of two": ("text-classification", Call(lambda pipe: pipe((GOOD, SHORT)))),
    "an empty tuple": ("text-classification", Call(lambda pipe: pipe(()))),
    "a dict of nothing": ("text-classification", Call(lambda pipe: pipe({}))),
    "a dict without text": ("text-classification", Call(lambda pipe: pipe({"text_pair": GOOD}))),
    "a pair that is a number": ("text-classification", Call(lambda pipe: pipe({"text": GOOD, "text_pair": 3}))),
    "two pairs": ("text-classification", Call(lambda pipe: pipe(PAIR, text_pair=SHORT))),
    "text_pair in a list": ("text-classification", Call(lambda pipe: pipe(GOOD, text_pair=[BAD]))),
    "an unknown function": ("text-classification", Call(lambda pipe: pipe(GOOD, function_to_apply="relu"))),
    "the function default": ("text-classification", Call(lambda pipe: pipe(GOOD, function_to_apply="default"))),
    "a function that is a number": ("text-classification", Call(lambda pipe: pipe(GOOD, function_to_apply=1))),
    "tensors": ("text-classification", Call(lambda pipe: pipe(GOOD, return_tensors="pt"))),
    "an unknown truncation": ("text-classification", Call(lambda pipe: pipe(GOOD, truncation="x"))),
    "truncation 1": ("text-classification", Call(lambda pipe: pipe(GOOD, truncation=1))),
    "an unknown padding": ("text-classification", Call(lambda pipe: pipe(GOOD, padding="x"))),
    "padding None": ("text-classification", Call(lambda pipe: pipe(GOOD, padding=None))),
    "a long text not to be cut": ("text-classification", Call(lambda pipe: pipe(LONG, truncation=False))),
    "a long text cut beyond the model": (
        "text-classification",
        Call(lambda pipe: pipe(LONG, truncation=True, max_length=99)),
    ),
    "no room for the first text": (
        "text-classification",
        Call(lambda pipe: pipe({"text": GOOD, "text_pair": BAD}, truncation="only_first", max_length=8)),
    ),
    "a negative max_length": ("text-classification", Call(lambda pipe: pipe(GOOD, truncation=True, max_length=-1))),
    "max_length in a str": ("text-classification", Call(lambda pipe: pipe(GOOD, truncation=True, max_length="8"))),
    "batch_size 0": ("text-classification", Call(lambda pipe: pipe([GOOD], batch_size=0))),
    "no labels": ("zero-shot-classification", Call(lambda pipe: pipe(GOOD), "nli")),
    "an empty list of labels": ("zero-shot-classification", Call(lambda pipe: pipe(GOOD, []), "nli")),
    "a str without labels": ("zero-shot-classification", Call(lambda pipe: pipe(GOOD, " , "), "nli")),
    "labels None": ("zero-shot-classification", Call(lambda pipe: pipe(GOOD, None), "nli")),
    "a set of labels": ("zero-shot-classification", Call(lambda pipe: pipe(GOOD, {"a"}), "nli")),
    "a generator of labels": ("zero-shot-classification", Call(lambda pipe: pipe(GOOD, (x for x in TOPICS)), "nli")),
    "labels twice": ("zero-shot-classification", Call(lambda pipe: pipe(GOOD, TOPICS, candidate_labels=TOPICS), "nli")),
    "three arguments": ("zero-shot-classification", Call(lambda pipe: pipe(GOOD, TOPICS, "{}"), "nli")),
    "an empty text": ("zero-shot-classification", Call(lambda pipe: pipe("", TOPICS), "nli")),
    "an empty text among others": ("zero-shot-classification", Call(lambda pipe: pipe([GOOD, ""], TOPICS), "nli")),
    "a text None": ("zero-shot-classification", Call(lambda pipe: pipe(None, TOPICS), "nli")),
    "a dict of a text": ("zero-shot-classification", Call(lambda pipe: pipe({"text": GOOD}, TOPICS), "nli")),
    "a template without a place": (
        "zero-shot-classification",
        Call(lambda pipe: pipe(GOOD, TOPICS, hypothesis_template="x"), "nli"),
    ),
    "a template with two places": (
        "zero-shot-classification",
        Call(lambda pipe: pipe(GOOD, TOPICS, hypothesis_template="{} {}"), "nli"),
    ),
    "a template with a name": (
        "zero-shot-classification",
        Call(lambda pipe: pipe(GOOD, TOPICS, hypothesis_template="{label}"), "nli"),
    ),
    "a template None": (
        "zero-shot-classification",
        Call(lambda pipe: pipe(GOOD, TOPICS, hypothesis_template=None), "nli"),
    ),
    "a label beyond the model": ("zero-shot-classification", Call(lambda pipe: pipe(GOOD, [LONG]), "nli")),
    "no inputs for features": ("feature-extraction", Call(lambda pipe: pipe())),
    "features of None": ("feature-extraction", Call(lambda pipe: pipe(None))),
    "features of a dict": ("feature-extraction", Call(lambda pipe: pipe({"text": GOOD}))),
    "features of a tuple": ("feature-extraction", Call(lambda pipe: pipe((GOOD, SHORT)))),
    "features of a long text not to be cut": ("feature-extraction", Call(lambda pipe: pipe(LONG, truncation=False))),
    "truncation twice": (
        "feature-extraction",
        Call(lambda pipe: pipe(GOOD, truncation=True, tokenize_kwargs={"truncation": True})),
    ),
    "an unknown task": ("summarisation", Call(lambda pipe: pipe(GOOD))),
    "an unknown device": ("text-classification", Call(lambda pipe: pipe(GOOD), settings={"device": "bogus"})),
}


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    """Undo what transformers does to the environment, and say nothing of devices and long texts."""
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKENIZERS_PARALLELISM", "false")
        yield
    transformers.logging.set_verbosity(level)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """A checkpoint and its bundle by their name in `MODELS`, made when they are first asked for."""
    root = tmp_path_factory.mktemp("pipeline")
    source = make(RANDOM_CHECKPOINTS["bert"], root / "source")
    made: dict[str, tuple[Path, Path]] = {}

    def model(name: str) -> tuple[Path, Path]:
        if name not in made:
            folder = Path(shutil.copytree(source, root / name))
            configure(folder, MODELS[name])
            export(folder, root / f"{name} bundle", precisions=["fp32"])
            made[name] = folder, root / f"{name} bundle"
        return made[name]

    return model


def configure(folder: Path, changes: Mapping[str, Any]) -> None:
    """Change the config of a checkpoint of three labels, and its head where there is to be one label."""
    config = {**json.loads((folder / "config.json").read_text()), **changes}
    config["label2id"] = {label: int(index) for index, label in config["id2label"].items()}
    (folder / "config.json").write_text(json.dumps(config))
    if len(config["id2label"]) == 1:
        weights = load_file(folder / "model.safetensors")
        head = {name: weights[name][:1].clone() for name in ("classifier.weight", "classifier.bias")}
        save_file({**weights, **head}, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture(scope="module")
def pipelines(models: Callable[[str], tuple[Path, Path]]) -> Callable[..., tuple[Any, Any]]:
    """transformers' pipeline and ours for a call; those without settings are made once."""
    made: dict[tuple[str, str], tuple[Any, Any]] = {}

    def both(task: str, call: Call) -> tuple[Any, Any]:
        if call.settings or (task, call.model) not in made:
            checkpoint, bundle = models(call.model)
            settings = {"device": "cpu", **call.settings}
            theirs = transformers.pipeline(task, model=str(checkpoint), **settings)
            ours = pipeline(task, model=str(bundle), **settings)
            if call.settings:
                return theirs, ours
            made[task, call.model] = theirs, ours
        return made[task, call.model]

    return both


def compare(theirs: Any, ours: Any) -> None:
    """The same containers, keys, labels and kinds of numbers; numbers to `TOLERANCE`."""
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, np.ndarray)
        assert (ours.shape, ours.dtype) == (tuple(theirs.shape), np.float32)
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=TOLERANCE)
        return
    assert type(ours) is type(theirs)
    if isinstance(theirs, float):
        assert abs(ours - theirs) <= TOLERANCE
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            compare(theirs[key], ours[key])
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            compare(other, mine)
    else:
        assert ours == theirs


def unrolled(output: Any) -> Any:
    """A generator's items: theirs is an iterator of their own, and ours a generator."""
    return list(output) if isinstance(output, GeneratorType) or type(output).__name__ == "PipelineIterator" else output


@pytest.mark.parametrize("name", CALLS)
def test_a_call_answers_what_transformers_answers(name: str, pipelines: Callable[..., tuple[Any, Any]]) -> None:
    task, call = CALLS[name]
    with warnings.catch_warnings():
        if call.warns or call.model == "nli unnamed":
            warnings.simplefilter("ignore")
        theirs, ours = pipelines(task, call)
        compare(unrolled(call.call(theirs)), unrolled(call.call(ours)))


@pytest.mark.parametrize("name", BAD_CALLS)
def test_what_transformers_refuses_is_refused(
    name: str, pipelines: Callable[..., tuple[Any, Any]], models: Callable[[str], tuple[Path, Path]]
) -> None:
    task, call = BAD_CALLS[name]
    if call.settings or task not in ("text-classification", "zero-shot-classification", "feature-extraction"):
        checkpoint, bundle = models(call.model)
        with pytest.raises(Exception):  # noqa: B017, PT011
            transformers.pipeline(task, model=str(checkpoint), **call.settings)
        with pytest.raises(InputError):
            pipeline(task, model=str(bundle), **call.settings)
        return
    theirs, ours = pipelines(task, call)
    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever it raises)
        unrolled(call.call(theirs))
    with pytest.raises((InputError, TypeError)):
        unrolled(call.call(ours))


def test_real_sentences_get_the_same_labels_and_scores(
    pipelines: Callable[..., tuple[Any, Any]], sentences: list[str]
) -> None:
    theirs, ours = pipelines("text-classification", Call(lambda pipe: pipe(sentences)))
    compare(*(pipe(sentences[:100], top_k=None, truncation=True) for pipe in (theirs, ours)))
    pairs = [
        {"text": first, "text_pair": second} for first, second in zip(sentences[:50], sentences[50:100], strict=True)
    ]
    compare(theirs(pairs, truncation=True), ours(pairs, truncation=True))


@pytest.mark.parametrize("max_length", [3, 4, 5, 7, 12, 33, 63])
def test_max_length_keeps_the_same_tokens(
    pipelines: Callable[..., tuple[Any, Any]], sentences: list[str], max_length: int
) -> None:
    theirs, ours = pipelines("text-classification", Call(lambda pipe: pipe(sentences)))
    pairs = [{"text": first, "text_pair": second} for first, second in zip(sentences[:9], sentences[9:18], strict=True)]
    inputs: list[Any] = [*sentences[:9], *pairs]
    settings = {"truncation": True, "max_length": max_length, "function_to_apply": "none", "top_k": None}
    compare(theirs(inputs, **settings), ours(inputs, **settings))


def test_generators_are_read_as_they_are_asked_for(pipelines: Callable[..., tuple[Any, Any]]) -> None:
    for pipe in pipelines("text-classification", Call(lambda pipe: pipe(GOOD))):
        read: list[str] = []

        def texts(read: list[str] = read) -> Iterator[str]:
            for text in TEXTS:
                read.append(text)
                yield text

        outputs = iter(pipe(texts()))
        next(outputs)
        assert len(read) <= 2
