"""Reranker and sentence-transformers' CrossEncoder, call by call, on the same checkpoint."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Bundle, Classifier, Reranker, TextPair
from torchless_export import export
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import UnsupportedModelError
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make

IDENTITY, SIGMOID = "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid"
SAVED = "config_sentence_transformers.json"
MODULES = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}]
QUERIES = ["how was the film", "naïve café ☕ 你好", "never again " * 20, "e\u0301", "\n a  b"]
DOCUMENTS = [
    "The film was good",
    "",
    "  two   blanks\n\nand lines\t",
    "naïve café ☕ 你好, 👩‍👩‍👧",
    "שלום עולם مرحبا",
    "never again " * 60,
    "the film " * 27,
    "The film was good",
    "cafe\u0301",
    " ",
]
# What config.json says beside one output or several, what sentence-transformers' own file says, and the activation.
RULES: list[tuple[int, dict[str, Any], dict[str, Any] | None, str]] = [
    (1, {}, None, "sigmoid"),
    (1, {"problem_type": "regression"}, None, "sigmoid"),
    (3, {}, None, "none"),
    (3, {"problem_type": "multi_label_classification"}, None, "none"),
    (1, {"sbert_ce_default_activation_function": IDENTITY}, None, "none"),
    (1, {"sbert_ce_default_activation_function": None}, None, "sigmoid"),
    (3, {"sbert_ce_default_activation_function": "torch.nn.modules.activation.Softmax"}, None, "softmax"),
    (1, {"sentence_transformers": {"activation_fn": IDENTITY, "version": "4.1.0"}}, None, "none"),
    (
        1,
        {"sentence_transformers": {"version": "4.1.0"}, "sbert_ce_default_activation_function": IDENTITY},
        None,
        "none",
    ),
    (
        1,
        {"sentence_transformers": {"activation_fn": None}, "sbert_ce_default_activation_function": IDENTITY},
        None,
        "sigmoid",
    ),
    (1, {}, {"activation_fn": IDENTITY}, "none"),
    (3, {}, {"activation_fn": SIGMOID}, "sigmoid"),
    (1, {"sentence_transformers": {"activation_fn": IDENTITY}}, {"activation_fn": SIGMOID}, "sigmoid"),
    (1, {"sentence_transformers": {"activation_fn": IDENTITY}}, {"activation_fn": None}, "none"),
    (1, {"sentence_transformers": {"activation_fn": SIGMOID}}, {"model_type": "SentenceTransformer"}, "sigmoid"),
]


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], tuple[Path, Path]]:
    """A random checkpoint with so many outputs, and its bundle."""

    @cache
    def made(kind: str, outputs: int) -> tuple[Path, Path]:
        folder, random = tmp_path_factory.mktemp(f"{kind}-{outputs}"), RANDOM_CHECKPOINTS[kind]
        names = {index: f"LABEL_{index}" for index in range(outputs)}
        labels = {"id2label": names, "label2id": {name: index for index, name in names.items()}}
        random = dataclasses.replace(random, settings={**random.settings, **labels})
        checkpoint = make(random, folder / "checkpoint")
        export(checkpoint, folder / "bundle", precisions=["fp32"])
        return checkpoint, folder / "bundle"

    return made


@pytest.fixture
def under(
    cross_encoder: Callable[[str, int], tuple[Path, Path]], tmp_path: Path
) -> Callable[[int, dict[str, Any], dict[str, Any] | None], Path]:
    """A copy of a checkpoint with other settings."""

    def under(outputs: int, config: dict[str, Any], saved: dict[str, Any] | None) -> Path:
        folder = Path(shutil.copytree(cross_encoder("bert", outputs)[0], tmp_path / "copy"))
        fields = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**fields, **config}))
        if saved is not None:
            (folder / SAVED).write_text(json.dumps({"model_type": "CrossEncoder", "prompts": {}, **saved}))
            (folder / "modules.json").write_text(json.dumps(MODULES))
        return folder

    return under


@pytest.fixture(scope="module")
def load() -> Callable[[Path], Any]:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    found = pytest.importorskip("sentence_transformers", minversion="5.7")  # before 5.4 it read no modules.json
    return lambda folder: found.CrossEncoder(str(folder), device="cpu")


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "deberta-v2"])
@pytest.mark.parametrize("query", QUERIES)
def test_a_ranking_is_that_of_cross_encoder(
    cross_encoder: Callable[[str, int], tuple[Path, Path]], load: Callable[[Path], Any], kind: str, query: str
) -> None:
    checkpoint, bundle = cross_encoder(kind, 1)
    expected, reranker = load(checkpoint), Reranker.load(bundle)
    for top_k in (None, 1, 4, 99):
        theirs = expected.rank(query, DOCUMENTS, top_k=top_k)
        ours = reranker.rank(query, DOCUMENTS, top_k=top_k)
        assert [each.score for each in ours] == pytest.approx([float(each["score"]) for each in theirs], abs=1e-4)
        scores = {each.index: each.score for each in reranker.rank(query, DOCUMENTS)}
        for mine, other in zip(ours, theirs, strict=True):  # scores that are as good as equal may stand in any order
            assert mine.index == other["corpus_id"] or scores[mine.index] == pytest.approx(
                scores[other["corpus_id"]], abs=1e-4
            )


@pytest.mark.parametrize("outputs", [1, 3])
def test_scores_are_those_of_cross_encoder_and_have_their_shape(
    cross_encoder: Callable[[str, int], tuple[Path, Path]], load: Callable[[Path], Any], outputs: int
) -> None:
    checkpoint, bundle = cross_encoder("bert", outputs)
    expected, reranker = load(checkpoint), Reranker.load(bundle)
    pairs = [(query, document) for query in ["", *QUERIES] for document in DOCUMENTS]
    for some in (pairs, pairs[:1], pairs[3:5]):
        theirs, ours = expected.predict(some), reranker.score(some)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    if outputs > 1:
        with pytest.raises(ValueError, match="only works for models with num_labels=1"):
            expected.rank("a", ["b"])


@pytest.mark.parametrize(("outputs", "config", "saved", "activation"), RULES)
def test_the_activation_follows_the_rules_of_cross_encoder(
    under: Callable[..., Path], outputs: int, config: dict[str, Any], saved: dict[str, Any] | None, activation: str
) -> None:
    assert Checkpoint.open(str(under(outputs, config, saved))).cross_encoder.activation == activation


@pytest.mark.parametrize(("outputs", "config", "saved", "activation"), RULES)
def test_those_are_the_rules_of_cross_encoder(
    under: Callable[..., Path],
    load: Callable[[Path], Any],
    outputs: int,
    config: dict[str, Any],
    saved: dict[str, Any] | None,
    activation: str,
) -> None:
    found = load(under(outputs, config, saved)).activation_fn
    assert type(found).__name__ == {"sigmoid": "Sigmoid", "none": "Identity", "softmax": "Softmax"}[activation]


@pytest.mark.parametrize(
    ("outputs", "config", "classifier", "stated"),
    [
        (1, {"problem_type": "regression"}, "none", "sigmoid"),
        (3, {}, "softmax", "none"),
        (1, {}, "sigmoid", None),
        (1, {"sentence_transformers": {"activation_fn": IDENTITY}}, "none", None),
    ],
)
def test_a_manifest_states_it_only_where_the_pipeline_s_is_another(
    under: Callable[..., Path],
    tmp_path: Path,
    outputs: int,
    config: dict[str, Any],
    classifier: str,
    stated: str | None,
) -> None:
    export(under(outputs, config, None), tmp_path / "out", precisions=["fp32"])
    manifest = Bundle.open(tmp_path / "out").manifest
    assert (manifest.activation, manifest.reranker_activation) == (classifier, stated)
    assert manifest.format_version == 1  # readers of that version have no Reranker that could misread it
    pairs = [TextPair("a", "b"), TextPair("the film", "was good")]
    logits = Classifier.load(tmp_path / "out").logits(pairs)
    expected = 1 / (1 + np.exp(-logits)) if (stated or classifier) == "sigmoid" else logits
    np.testing.assert_allclose(Reranker.load(tmp_path / "out").answer(pairs).scores, expected, atol=1e-6)


def test_a_bundle_of_single_texts_states_none(under: Callable[..., Path], tmp_path: Path) -> None:
    export(under(3, {}, None), tmp_path / "out", precisions=["fp32"], pairs=False)
    assert Bundle.open(tmp_path / "out").manifest.reranker_activation is None


def test_what_cross_encoder_saves_is_read_as_it_reads_it(
    cross_encoder: Callable[[str, int], tuple[Path, Path]], load: Callable[[Path], Any], tmp_path: Path
) -> None:
    import torch

    model = load(cross_encoder("bert", 1)[0])
    model.activation_fn, model.max_seq_length = torch.nn.Identity(), 24
    model.save_pretrained(str(tmp_path / "saved"))
    export(tmp_path / "saved", tmp_path / "out", precisions=["fp32"])
    expected, reranker = load(tmp_path / "saved"), Reranker.load(tmp_path / "out")
    assert reranker.manifest.max_tokens == 24
    pairs = [(query, document) for query in QUERIES for document in DOCUMENTS]
    np.testing.assert_allclose(reranker.score(pairs), expected.predict(pairs), atol=1e-4)


def test_a_length_of_its_own_cuts_pairs(under: Callable[..., Path], tmp_path: Path) -> None:
    folder = under(1, {}, {})
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 32}')
    export(folder, tmp_path / "out", precisions=["fp32"])
    assert Bundle.open(tmp_path / "out").manifest.max_tokens == 32


def test_a_text_before_each_query_is_refused(under: Callable[..., Path], tmp_path: Path) -> None:
    prompts = {"prompts": {"q": "query: "}, "default_prompt_name": "q"}
    with pytest.raises(UnsupportedModelError, match=r"default_prompt_name: expected none, .* got 'q', which puts"):
        export(under(1, {}, prompts), tmp_path / "out", precisions=["fp32"])


def test_a_prompt_that_is_not_applied_by_default_is_none(under: Callable[..., Path]) -> None:
    folder = under(1, {}, {"prompts": {"q": "query: "}, "default_prompt_name": None})
    assert Checkpoint.open(str(folder)).cross_encoder.activation == "sigmoid"
