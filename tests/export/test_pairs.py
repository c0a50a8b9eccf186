"""Bundles that read pairs of texts answer as PyTorch does, token types included."""

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
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from torchless import Bundle, Classifier, TextPair
from torchless.errors import InputError
from torchless_export import export
from torchless_export.checkpoint import Checkpoint
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make
from torchless_export.samples import Columns

from .conftest import ANY_LABEL, Exported

# Token types that matter; none handed out though the tokenizer has them.
KINDS = ["bert", "roberta"]


@pytest.fixture(params=KINDS)
def exported(request: pytest.FixtureRequest, exported_random: Callable[[str], Exported]) -> Exported:
    return exported_random(request.param)


def test_logits_of_pairs_are_those_of_pytorch(exported: Exported, sentences: list[str]) -> None:
    checkpoint, bundle, _ = exported
    firsts, seconds = [*sentences[:8], sentences[9] * 9, "", "a"], [*sentences[20:28], "a", "", sentences[9] * 9]
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    inputs = tokenizer(firsts, seconds, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        expected = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()(**inputs).logits
    actual = Classifier.load(bundle, precision="fp32").logits(map(TextPair, firsts, seconds))
    np.testing.assert_allclose(actual, expected, atol=2e-5)


def test_parity_says_how_many_texts_were_pairs(exported: Exported) -> None:
    _, bundle, report = exported
    assert report.parity.pairs == 11
    assert "texts (11 of them pairs) of" in (bundle / "README.md").read_text()
    assert Bundle.open(bundle).manifest.pairs


def test_pairs_can_be_left_out(checkpoint: Path, tmp_path: Path) -> None:
    report = export(checkpoint, tmp_path / "out", precisions=["fp32"], pairs=False)
    assert report.parity.pairs == 0
    with pytest.raises(InputError, match="takes single texts"):
        Classifier.load(tmp_path / "out").predict([TextPair("a", "b")])


def test_int8_is_calibrated_and_judged_on_pairs(checkpoint: Path, tmp_path: Path, sentences: list[str]) -> None:
    rows = zip(sentences[:60], sentences[60:120], ["negative", "positive"] * 30, strict=True)
    (tmp_path / "dev.tsv").write_text("a\tb\tlabel\n" + "".join(map("{}\n".format, map("\t".join, rows))))
    files = {"calibration": tmp_path / "dev.tsv", "evaluate": tmp_path / "dev.tsv", "columns": Columns("a", "b")}
    report = export(checkpoint, tmp_path / "out", gates=ANY_LABEL, **files)
    assert report.accuracy is not None
    assert "int8" in report.quality
    pairs = list(map(TextPair, sentences[:60], sentences[60:120]))
    labels = [prediction.label for prediction in Classifier.load(tmp_path / "out", precision="fp32").predict(pairs)]
    right = [label == expected for label, expected in zip(labels, ["negative", "positive"] * 30, strict=True)]
    assert report.accuracy.fp32 == report.accuracy.torch == np.mean(right)
    assert (report.quality["int8"].calibration, report.quality["int8"].texts) == ("60 texts of dev.tsv", 60)


def test_pairs_to_calibrate_on_take_a_model_that_reads_them(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the bundle reads single texts, got the pairs of column 'b'"):
        export(checkpoint, tmp_path / "out", pairs=False, calibration="x.tsv", columns=Columns("a", "b"))


def rewrite_tokenizer(folder: Path, change: Any) -> None:
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    change(content)
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_tokenizer_that_puts_nothing_between_two_texts_reads_single_ones(broken: Path) -> None:
    assert Checkpoint.open(str(broken)).pairs

    def no_separator(content: dict[str, Any]) -> None:
        content["post_processor"]["pair"] = [
            part for part in content["post_processor"]["pair"] if "SpecialToken" not in part
        ]

    rewrite_tokenizer(broken, no_separator)
    assert not Checkpoint.open(str(broken)).pairs


def test_a_model_without_the_second_type_reads_single_texts(exported: Exported, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported[0], tmp_path / "checkpoint"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "type_vocab_size": 1}))
    given = "token_type_ids" in AutoTokenizer.from_pretrained(folder).model_input_names
    assert Checkpoint.open(str(folder)).pairs is not given


def test_an_export_says_why_a_bundle_reads_no_pairs(tmp_path: Path) -> None:
    """As KLUE's RoBERTa has it: BERT's tokenizer before a model with one token type."""
    roberta = RANDOM_CHECKPOINTS["roberta"]
    settings = {**roberta.settings, "type_vocab_size": 1}
    checkpoint = make(replace(roberta, type_ids=True, settings=settings), tmp_path / "checkpoint")
    said: list[str] = []
    export(checkpoint, tmp_path / "out", precisions=["fp32"], say=said.append)
    assert not Bundle.open(tmp_path / "out").manifest.pairs
    reason = "no pairs: the tokenizer gives a pair's second text the type 1, and type_vocab_size is 1"
    assert [line for line in said if reason in line]
