"""What passes the gates, and what does not: figures of trained models, and graphs that are broken on purpose."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace

import numpy as np
import pytest

from torchless_export.command import add_arguments
from torchless_export.quality import low_cosine, score_error
from torchless_export.reports import Accuracy, Gates, QualityReport

PASSES = QualityReport(
    calibration="2000 texts of train.tsv",
    texts=1000,
    compared_on="dev.tsv",
    disagreement=0.01,
    score_error=0.05,
    max_logit_difference=0.3,
    min_embedding_cosine=0.95,
    neighbour_texts=200,
    neighbour_max_score_difference=0.0,
    neighbour_labels_changed=0,
)
DEFAULT = Gates()


def failed(gates: Gates = DEFAULT, accuracy: Accuracy | None = None, **changes: float | None) -> list[str]:
    """The gates that a report does not pass."""
    report = replace(PASSES, **changes)
    needed = report.needed("int8", gates, accuracy)
    assert len(report.findings("int8", gates, accuracy)) == len(needed)
    return list(needed)


@pytest.mark.parametrize(
    ("changed", "texts"),
    [(1, 500), (17, 1421), (21, 1421), (19, 3080), (20, 784), (8, 277), (9, 184), (1, 4)],
)
def test_int8_of_models_whose_metrics_did_not_move_passes(changed: int, texts: int) -> None:
    assert failed(disagreement=changed / texts, texts=texts) == []


@pytest.mark.parametrize(("changed", "texts"), [(20, 184), (75, 1000), (3, 3)])
def test_more_changed_labels_than_chance_explains_fail(changed: int, texts: int) -> None:
    assert failed(disagreement=changed / texts, texts=texts) == ["max_disagreement"]


def test_a_gate_of_no_changed_label_is_exact() -> None:
    assert failed(Gates(max_disagreement=0.0), disagreement=0.0) == []
    assert failed(Gates(max_disagreement=0.0), disagreement=0.001) == ["max_disagreement"]


@pytest.mark.parametrize("score_error", [0.5, float("nan"), float("inf")])
def test_a_few_texts_wave_no_broken_graph_through(score_error: float) -> None:
    assert failed(disagreement=0.0, texts=4, score_error=score_error) == ["max_score_error"]


def test_an_accuracy_drop_fails_where_it_is_more_than_chance() -> None:
    few = Accuracy("dev.tsv", 50, 0.9, 0.9, None, 0.86, {"int8": -0.01})
    many = Accuracy("dev.tsv", 5000, 0.9, 0.9, None, 0.86, {"int8": 0.03})
    assert failed(accuracy=few) == []
    assert failed(accuracy=many) == ["max_accuracy_drop"]
    (finding,) = PASSES.findings("int8", Gates(), many)
    assert finding == (
        "accuracy fell by 4.00% (90.00% in PyTorch, 86.00% in int8; 95% confidence: by 3.00% or more), allowed 0.50%"
    )


def test_embeddings_are_judged_by_all_texts_but_a_hundredth() -> None:
    assert failed(min_embedding_cosine=-0.9, low_embedding_cosine=0.93) == []
    assert failed(low_embedding_cosine=0.8) == ["min_embedding_cosine"]
    assert failed(min_embedding_cosine=0.8) == ["min_embedding_cosine"]  # where nothing else is known


def test_a_low_cosine_leaves_out_what_is_too_little_to_show_a_hundredth() -> None:
    cosines = np.full(184, 0.99)
    cosines[:4] = 0.1
    assert low_cosine(cosines) == 0.99
    cosines[4] = 0.2
    assert low_cosine(cosines) == 0.2
    assert low_cosine(cosines[:3]) == 0.1
    assert low_cosine(np.array([0.99, np.nan])) == -1


def test_several_labels_are_judged_by_scores_that_no_threshold_reaches() -> None:
    exact = np.random.default_rng(0).normal(-6, 0.5, (200, 28)).astype(np.float32)
    dull = np.broadcast_to(exact.mean(axis=0), exact.shape)
    assert score_error(exact, dull, "sigmoid") == pytest.approx(1)
    assert score_error(exact + np.arange(28, dtype=np.float32), dull + np.arange(28, dtype=np.float32)) > 0.99


def test_softmax_ignores_what_all_logits_of_a_text_have_in_common() -> None:
    exact = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    moved = exact + np.random.default_rng(1).normal(size=(200, 1)).astype(np.float32)
    assert score_error(exact, moved, "softmax") < 1e-6
    assert score_error(exact, moved, "sigmoid") > 0.5


def test_the_command_has_the_defaults_of_the_gates() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = parser.parse_args(["checkpoint", "out"])
    assert Gates(**{field.name: getattr(options, field.name) for field in fields(Gates)}) == Gates()
