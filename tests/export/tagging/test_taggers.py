"""A tagger's export: what int8 changes of tags and entities, the gates on it, and entity F1 with --evaluate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from torchless import Bundle, Encoder, TokenClassifier
from torchless.cli import main
from torchless.errors import InputError
from torchless_export import ExportReport, export
from torchless_export.card import model_card
from torchless_export.confidence import f1_drop_at_least
from torchless_export.errors import CheckpointError, QualityError, UnsupportedModelError
from torchless_export.quality import Gates
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make
from torchless_export.tagging.entities import Scheme, counts, f1
from torchless_export.tagging.reports import TagAccuracy, TagQualityReport

ANY = Gates(max_disagreement=1, max_entity_disagreement=1, max_score_error=1, max_accuracy_drop=1)


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(RANDOM_CHECKPOINTS["distilbert"], tmp_path_factory.mktemp("tagger") / "checkpoint", tagger=True)


@pytest.fixture(scope="module")
def conll(tmp_path_factory: pytest.TempPathFactory, sentences: list[str]) -> Path:
    """Everyday texts with tags that have nothing to do with them."""
    path = tmp_path_factory.mktemp("tags") / "dev.conll"
    rows = [
        [f"{word}\t{('O', 'B-PER', 'I-PER', 'B-LOC')[(place * 7 + len(word)) % 4]}" for place, word in enumerate(words)]
        for words in (sentence.split() for sentence in sentences[:60])
    ]
    path.write_text("\n\n".join("\n".join(row) for row in rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def exported(tagger: Path, conll: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExportReport]:
    out = tmp_path_factory.mktemp("out") / "bundle"
    return out, export(tagger, out, precisions=["fp32", "int8"], calibration=conll, evaluate=conll, gates=ANY)


def test_what_int8_changes_of_tokens_and_entities_is_in_report_manifest_and_card(
    exported: tuple[Path, ExportReport],
) -> None:
    out, report = exported
    quality = report.quality["int8"]
    assert isinstance(quality, TagQualityReport)
    assert isinstance(report.accuracy, TagAccuracy)
    assert quality.tokens > 300
    assert quality.entities > 10
    assert quality.compared_on == "dev.conll"
    assert quality.calibration == "60 texts of dev.conll"
    manifest = Bundle.open(out).manifest
    assert manifest.kind == "token_classifier"
    assert manifest.activation == "softmax"
    assert not manifest.pairs
    assert manifest.quality["int8"]["entities"] == quality.entities
    assert manifest.quality["accuracy"]["entities"] == report.accuracy.entities
    card = model_card(manifest)
    for words in (
        "pipeline_tag: token-classification",
        "TokenClassifier.load",
        'torchless tag . "',
        "tokens with other tags",
        "entities that one of the two alone finds",
        "## Entity F1",
        "as seqeval has it",
    ):
        assert words in card, words
    assert "texts with other labels" not in card


def test_shares_of_tokens_and_entities_are_those_of_the_answers(
    exported: tuple[Path, ExportReport], sentences: list[str]
) -> None:
    out, report = exported
    quality = report.quality["int8"]
    assert isinstance(quality, TagQualityReport)
    texts = [" ".join(sentence.split()) for sentence in sentences[:60]]
    exact, rounded = (TokenClassifier.load(out, precision=name) for name in ("fp32", "int8"))
    before, after = ([rows[1:-1].argmax(axis=1) for rows in each.logits(texts)] for each in (exact, rounded))
    changed = sum(int((a != b).sum()) for a, b in zip(before, after, strict=True))
    assert quality.tokens == sum(map(len, before))
    assert quality.disagreement == pytest.approx(changed / quality.tokens)


def test_entity_f1_is_that_of_the_first_tokens_tags(
    exported: tuple[Path, ExportReport], tagger: Path, sentences: list[str]
) -> None:
    """Worked out with transformers alone."""
    model = AutoModelForTokenClassification.from_pretrained(tagger).eval()
    tokenizer = AutoTokenizer.from_pretrained(tagger)
    scheme = Scheme(tuple(model.config.id2label[index] for index in range(5)))
    found, right = [], []
    for sentence in sentences[:60]:
        words = sentence.split()
        inputs = tokenizer(words, is_split_into_words=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            best = model(**inputs).logits[0].argmax(-1).tolist()
        tags: list[str] = ["O"] * len(words)
        for place, word in reversed(list(enumerate(inputs.word_ids()))):
            if word is not None:
                tags[word] = scheme.labels[best[place]]
        places = [(index, index + 1) for index in range(len(words))]
        gold = [("O", "B-PER", "I-PER", "B-LOC")[(index * 7 + len(word)) % 4] for index, word in enumerate(words)]
        found.append(scheme.entities(tags, places))
        right.append(scheme.entities(gold, places))
    accuracy = exported[1].accuracy
    assert isinstance(accuracy, TagAccuracy)
    assert accuracy.torch == pytest.approx(f1(counts(found, right)))
    assert accuracy.fp32 == accuracy.torch > 0
    assert accuracy.entities == sum(map(len, right))


def test_spans_of_json_are_scored_as_tag_returns_them(
    tagger: Path, exported: tuple[Path, ExportReport], tmp_path: Path, sentences: list[str]
) -> None:
    texts = [*sentences[:20], "  \n a man\u00a0in  a boat "]
    spans = TokenClassifier.load(exported[0], precision="fp32").tag(texts, aggregation="simple", truncate=True)
    path = tmp_path / "gold.jsonl"
    rows = [
        {"text": text, "spans": [{"start": s.start, "end": s.end, "label": s.label} for s in found]}
        for text, found in zip(texts, spans, strict=True)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    report = export(tagger, tmp_path / "out", precisions=["fp32"], evaluate=path)
    assert report.accuracy is not None
    assert (report.accuracy.torch, report.accuracy.fp32) == (1, 1)


def test_gates_on_tokens_entities_and_f1_each_fail_by_their_name() -> None:
    report = TagQualityReport(
        calibration=None,
        texts=100,
        compared_on="here",
        disagreement=0.1,
        score_error=0.01,
        max_logit_difference=0.1,
        min_embedding_cosine=0.99,
        neighbour_texts=10,
        neighbour_max_score_difference=0.0,
        neighbour_labels_changed=0,
        tokens=2000,
        entities=300,
        entity_disagreement=0.2,
    )
    accuracy = TagAccuracy("dev.conll", 100, 0.9, 0.9, None, 0.8, {"int8": 0.05}, 300)
    tokens, entities, drop = report.findings("int8", Gates(), accuracy)
    assert tokens.startswith("tags differ from fp32 on 10.00% of 2000 tokens (95% confidence: on 8.9")
    assert entities.startswith(
        "of 300 entities that fp32 or int8 finds, 20.00% are found by one of them alone (95% conf"
    )
    assert drop.startswith("entity F1 fell by 10.00% (90.00% in PyTorch, 80.00% in int8; 95% confidence: by 5.00%")
    assert set(report.needed("int8", Gates(), accuracy)) == {
        "max_disagreement",
        "max_entity_disagreement",
        "max_accuracy_drop",
    }
    few = replace(report, tokens=20, entities=5)
    assert few.findings("int8", Gates(), None) == []  # 2 of 20 tokens and 1 of 5 entities show nothing


def test_a_drop_of_f1_is_shown_by_many_texts_and_not_by_few() -> None:
    right = np.array([[3, 3, 3]] * 400, np.int64)
    wrong = right.copy()
    wrong[::10] = [2, 3, 3]  # F1 falls by 1 / 30
    assert f1(right) - f1(wrong) == pytest.approx(1 / 30)
    assert 0.024 < f1_drop_at_least(right, wrong) < 1 / 30
    assert f1_drop_at_least(right[:10], wrong[:10]) < 0.005
    assert f1_drop_at_least(right, right) == 0
    assert f1_drop_at_least(right[:1], wrong[:1]) == pytest.approx(1 / 3)
    assert f1_drop_at_least(right[:0], wrong[:0]) == 0
    assert f1_drop_at_least(wrong, right) < 0


def test_int8_that_is_named_and_fails_on_entities_ends_the_export(tagger: Path, conll: Path, tmp_path: Path) -> None:
    with pytest.raises(QualityError, match=r"found by one of them alone .*, allowed 0\.00%"):
        export(
            tagger,
            tmp_path / "out",
            precisions=["fp32", "int8"],
            evaluate=conll,
            gates=replace(ANY, max_entity_disagreement=0),
        )
    assert not (tmp_path / "out").exists()


def test_a_default_export_of_a_tagger_ends_usable(
    tagger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", str(tagger), str(out), "--max-entity-disagreement", "0"]) == 0
    told = capsys.readouterr().out
    assert "a bundle of fp32" in told
    assert "int8 is left out: of " in told
    assert "--calibration FILE" in told.splitlines()[-1]
    assert list(Bundle.open(out).manifest.variants) == ["fp32"]
    assert TokenClassifier.load(out).tag(["a man in a boat"]) is not None


def test_a_body_alone_of_a_tagger_is_an_encoder(tagger: Path, tmp_path: Path) -> None:
    export(tagger, tmp_path / "out", precisions=["fp32"], encoder_only=True)
    assert Bundle.open(tmp_path / "out").manifest.kind == "encoder"
    assert Encoder.load(tmp_path / "out").embed(["good"]).shape == (1, 32)


def test_a_checkpoint_without_the_head_is_refused_by_name(tagger: Path, checkpoint: Path, tmp_path: Path) -> None:
    body = Path(shutil.copytree(tagger, tmp_path / "body"))
    shutil.copy(checkpoint / "model.safetensors", body)  # a classifier of texts has tensors of these names
    config = json.loads((body / "config.json").read_text())
    (body / "config.json").write_text(json.dumps({**config, "id2label": {"0": "O", "1": "B-PER"}, "label2id": None}))
    with pytest.raises(CheckpointError, match="id2label names 2 labels, but the head answers 3"):
        export(body, tmp_path / "out")


def test_pairs_are_refused(tagger: Path, conll: Path, tmp_path: Path) -> None:
    from torchless_export.samples import Columns

    with pytest.raises(InputError, match="a model that labels tokens reads single texts"):
        export(tagger, tmp_path / "out", calibration=conll, columns=Columns("a", "b"))


@pytest.mark.parametrize(
    ("name", "architecture"), [("distilbert", "DistilBert"), ("modernbert", "ModernBert"), ("deberta-v3", "DebertaV2")]
)
def test_a_body_with_a_tagger_s_class_but_no_head_is_refused(
    tmp_path: Path, name: str, architecture: str, edited: Callable[..., Path]
) -> None:
    folder = edited(
        name, tmp_path, lambda tensors: {n: t for n, t in tensors.items() if not n.startswith("classifier")}
    )
    with pytest.raises(
        CheckpointError,
        match=f"no token classification head: classifier.weight missing.*{architecture}ForTokenClassification",
    ):
        export(folder, tmp_path / "out")


def test_a_pooler_that_grew_out_of_a_bare_body_is_ignored(tmp_path: Path, edited: Callable[..., Path]) -> None:
    extra = {"bert.pooler.dense.weight": torch.zeros(32, 32), "bert.pooler.dense.bias": torch.zeros(32)}
    folder = edited("bert", tmp_path, lambda tensors: {**tensors, **extra})
    assert export(folder, tmp_path / "out", precisions=["fp32"]).parity.max_logit_difference is not None


@pytest.fixture
def edited() -> Callable[..., Path]:
    """A random tagger whose tensors have been changed."""
    from safetensors.torch import load_file, save_file

    def edited(name: str, folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
        checkpoint = make(RANDOM_CHECKPOINTS[name], folder / "checkpoint", tagger=True)
        path = checkpoint / "model.safetensors"
        save_file(change(load_file(path)), path, metadata={"format": "pt"})
        return checkpoint

    return edited


@pytest.mark.optimum
@pytest.mark.parametrize("tagger", [True, False])
def test_a_model_that_reads_places_on_a_page_is_refused(tagger: bool, tmp_path: Path) -> None:
    from torchless_export.families.random_checkpoint import RandomCheckpoint

    random = RandomCheckpoint("layoutlm", settings={"max_position_embeddings": 64, **SMALL})
    checkpoint = make(random, tmp_path / "checkpoint", tagger=tagger)
    with pytest.raises(UnsupportedModelError, match=r"'layoutlm', which also reads where on a page .* \(bbox\)"):
        export(checkpoint, tmp_path / "out")


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
