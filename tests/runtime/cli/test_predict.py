"""`torchless predict`: labels, rankings, windows, thresholds and labels of one's own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, Encoder, TextPair, Windows, ZeroShotClassifier
from torchless.cli import main

Run = Callable[..., tuple[int, str, str]]
Program = Callable[..., subprocess.CompletedProcess[bytes]]


def test_predict_prints_label_score_and_text(mini: Path, program: Program) -> None:
    done = program("predict", str(mini), "I hate this so much")
    assert done.returncode == 0
    label, rest = done.stdout.decode().split(" ", 1)
    score, text = rest.rstrip("\n").split("\t")
    assert label == "NEGATIVE"
    assert 0.9 < float(score) <= 1
    assert text == "I hate this so much"
    assert done.stderr == b""


def test_predict_json_lines_say_what_the_library_says(mini: Path, run: Run) -> None:
    texts = ["good", "bad \U0001f600"]
    code, out, _ = run("predict", mini, *texts, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    for row, text, best in zip(rows, texts, Classifier.load(mini).predict(texts), strict=True):
        assert row == {"text": text, "label": best.label, "score": best.score, "truncated": False}


def test_predict_ranks_on_request(tiny: Path, run: Run) -> None:
    _, out, _ = run("predict", tiny, "good", "--top-k", "all", "--json")
    labels = json.loads(out)["labels"]
    assert len(labels) == 3
    assert labels[0]["score"] >= labels[1]["score"] >= labels[2]["score"]
    _, out, _ = run("predict", tiny, "good", "--top-k", "2")
    assert out.count(",") == 1


def test_predict_says_how_many_texts_were_cut(tiny: Path, run: Run) -> None:
    code, out, err = run("predict", tiny, "good", "! " * 100, "--json")
    assert code == 0
    assert [json.loads(line)["truncated"] for line in out.splitlines()] == [False, True]
    assert "1 of 2 texts were truncated to 64 tokens" in err


def test_predicting_no_texts_prints_nothing(tiny: Path, run: Run, stdin: Callable[[bytes], None]) -> None:
    stdin(b"")
    assert run("predict", tiny, "-") == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "expected texts"),
        (["x", "--input", "y.txt"], "expected texts from one source"),
        (["--column", "c", "x"], "--column and --pair-column need --input"),
        (["x", "--top-k", "0"], "expected a whole number of 1 or more, or all, got '0'"),
        (["x", "--top-k", "many"], "expected a whole number of 1 or more, or all, got 'many'"),
        (["x", "--precision", "int4"], "choose"),
        (["x", "--output", ""], "expected a file name, got ''"),
        (["--input", ""], "expected a file name, got ''"),
    ],
)
def test_a_wrong_option_prints_the_usage_and_exits_with_2(
    tiny: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["predict", str(tiny), *arguments])
    err = capsys.readouterr().err
    assert caught.value.code == 2
    assert err.startswith("usage: torchless predict")
    assert complaint in err


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_one_second_text_goes_with_every_text(run: Run, tiny: Path) -> None:
    code, out, _ = run("predict", tiny, "good", "bad", "--pair", "it was bad", "--json")
    expected = Classifier.load(tiny).predict([TextPair("good", "it was bad"), TextPair("bad", "it was bad")])
    assert code == 0
    assert [(line["text"], line["text_pair"], line["label"], line["score"]) for line in lines(out)] == [
        (text, "it was bad", p.label, p.score) for text, p in zip(["good", "bad"], expected, strict=True)
    ]
    _, out, _ = run("predict", tiny, "good", "--pair", "it was\tbad")
    assert out == f"{expected[0].label} {expected[0].score:.4f}\tgood\tit was bad\n"


def test_windows_are_asked_for_and_counted(run: Run, tiny: Path, long_text: str) -> None:
    code, out, err = run("predict", tiny, long_text, "a", "--stride", "10", "--combine", "max", "--json")
    long, short = Classifier.load(tiny).predict([long_text, "a"], windows=Windows(stride=10, combine="max"))
    assert (code, err) == (0, "torchless: 1 of 2 texts were read in several windows\n")
    assert [(line["label"], line["score"], line["windows"]) for line in lines(out)] == [
        (long.label, long.score, 4),
        (short.label, short.score, 1),
    ]
    _, out, err = run("predict", tiny, long_text, "--window", "20", "--combine", "first", "--json")
    assert [(line["truncated"], line["windows"]) for line in lines(out)] == [(True, 1)]
    assert "1 of 1 texts were truncated to 20 tokens" in err
    _, out, _ = run("embed", tiny, long_text, "--stride", "10", "--no-normalize", "--pooling", "max")
    expected = Encoder.load(tiny).embed([long_text], windows=Windows(stride=10), normalize=False, pooling="max")
    np.testing.assert_allclose([json.loads(out)], expected, atol=1e-6)


def test_without_windows_nothing_is_said_of_them(run: Run, tiny: Path) -> None:
    assert set(lines(run("predict", tiny, "a", "--json")[1])[0]) == {"text", "label", "score", "truncated"}


def test_thresholds_are_one_for_all_with_exceptions(run: Run, tiny: Path) -> None:
    (ranking,) = Classifier.load(tiny).rank(["a film"], activation="sigmoid")
    best = ranking[0].label
    common = ("predict", tiny, "a film", "--activation", "sigmoid", "--json")
    _, out, _ = run(*common, "--threshold", "0", "--threshold", f"{best}=1")
    assert [p["label"] for p in lines(out)[0]["labels"]] == [p.label for p in ranking[1:]]
    _, out, _ = run(*common, "--threshold", "1")
    assert lines(out) == [{"text": "a film", "labels": [], "truncated": False}]
    assert run(*common[:-1], "--threshold", "1")[1] == "-\ta film\n"
    code, _, err = run(*common, "--threshold", "joy=0.5")
    assert (code, "there is no label 'joy'" in err) == (2, True)
    code, _, err = run(*common, "--threshold", f"{best}=0.5")
    assert (code, "expected a number for every label" in err) == (2, True)


def test_the_label_for_entailment_can_be_named(run: Run, tiny: Path) -> None:
    code, out, _ = run("predict", tiny, "good", "--candidate-labels", "a,b", "--entailment", "positive", "--json")
    (expected,) = ZeroShotClassifier.load(tiny, entailment="positive").rank(["good"], ["a", "b"], top_k=1)
    assert (code, lines(out)[0]["label"]) == (0, expected[0].label)


def test_labels_of_ones_own(run: Run, tiny_copy: Path, rewrite: Callable[..., None]) -> None:
    rewrite(lambda manifest: manifest.update(labels=["contradiction", "neutral", "entailment"]))
    labels = ("--candidate-labels", "films, food", "--hypothesis-template", "About {}.", "--json")
    code, out, _ = run("predict", tiny_copy, "good", *labels, "--top-k", "all", "--multi-label")
    (expected,) = ZeroShotClassifier.load(tiny_copy).rank(
        ["good"], ["films", "food"], hypothesis_template="About {}.", multi_label=True
    )
    assert code == 0
    assert [(p["label"], p["score"]) for p in lines(out)[0]["labels"]] == [(p.label, p.score) for p in expected]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["x", "--pair-column", "c"], "--column and --pair-column need --input"),
        (["--input", "y.tsv", "--pair", "a", "--pair-column", "c"], "--pair TEXT or --pair-column C, not both"),
        (["x", "--multi-label"], "--entailment and --multi-label need --candidate-labels"),
        (["x", "--threshold", "0.1", "--threshold", "0.2"], "--threshold: expected one for all labels, got 2"),
        (["x", "--threshold", "neutral=0.1", "--threshold", "neutral=0.2"], "expected one for neutral, got 2"),
        (["x", "--candidate-labels", "a", "--stride", "1"], "--stride: not allowed with --candidate-labels"),
        (["x", "--candidate-labels", "a", "--pair", "b"], "--pair: not allowed with --candidate-labels"),
        (["x", "--threshold", "high"], "expected a number, or LABEL=number, got 'high'"),
        (["x", "--stride", "-1"], "stride: expected a whole number of 0 or more, got -1"),
        (["x", "--stride", "62"], "stride: expected less than the 62 tokens"),
        (["x", "--window", "65"], "size: expected at most the model's limit of 64 tokens, got 65"),
        (["x", "--threshold", "1.5"], "threshold: expected a number from 0 to 1, got 1.5"),
    ],
)
def test_what_does_not_go_together_is_said(run: Run, tiny: Path, arguments: list[str], complaint: str) -> None:
    code, _, err = run("predict", tiny, *arguments)
    assert code == 2
    assert complaint in err


def test_empty_candidate_labels_are_refused(run: Run, tiny_copy: Path, rewrite: Callable[..., None]) -> None:
    rewrite(lambda manifest: manifest.update(labels=["contradiction", "neutral", "entailment"]))
    for labels in ("", "a,,b"):
        code, _, err = run("predict", tiny_copy, "x", "--candidate-labels", labels)
        assert code == 2
        assert "expected a str that is not blank, got ''" in err
