"""A bundle that was altered, or answers differently here, is found out."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchless import Classifier, verify
from torchless.errors import IntegrityError, ManifestError, VerificationError
from torchless.shipping.verify import VerificationReport

Rewrite = Callable[[Callable[[dict[str, Any]], None]], None]


def test_verify_replays_every_variant(tiny: Path, mini: Path) -> None:
    assert [report.precision for report in verify(tiny)] == ["fp32", "int8"]
    (report,) = verify(mini)
    assert report.logit_difference is not None
    assert report.logit_difference <= report.tolerance


def test_a_card_with_another_word_in_it_stops_nobody_but_verify(tiny_copy: Path) -> None:
    with (tiny_copy / "README.md").open("a") as card:
        card.write("Seen in production.\n")
    assert Classifier.load(tiny_copy).predict(["good"])
    with pytest.raises(IntegrityError, match=r"README\.md was altered"):
        verify(tiny_copy)


@pytest.mark.parametrize(
    "name",
    ["weights.fp32", "encoder.fp32.onnx", "classifier.fp32.onnx", "encoder.int8.onnx", "golden.json", "README.md"],
)
def test_verify_names_a_flipped_byte_in_any_file(
    tiny_copy: Path, name: str, flip: Callable[[Path, float], None]
) -> None:
    flip(tiny_copy / name, 0.5)
    with pytest.raises(IntegrityError, match=name):
        verify(tiny_copy)


def test_verify_finds_a_model_that_answers_differently(tiny_copy: Path, regolden: Rewrite) -> None:
    def change(golden: dict[str, Any]) -> None:
        golden["variants"]["int8"]["logits"][1][0] += 1
        golden["input_ids"][2][1] += 1

    regolden(change)
    with pytest.raises(VerificationError, match=r"golden text 2: token ids .*int8 logits differ by 1, allowed 0\.1"):
        verify(tiny_copy)


def test_verify_finds_embeddings_that_point_elsewhere(tiny_copy: Path, regolden: Rewrite) -> None:
    def change(golden: dict[str, Any]) -> None:
        golden["variants"]["int8"]["embeddings"][3][0] += 0.09  # less than a coordinate might once be off by
        golden["variants"]["int8"]["embeddings"][3][1] -= 0.09
        golden["variants"]["int8"]["embeddings"][3][2] += 0.09

    regolden(change)
    with pytest.raises(VerificationError, match=r"int8 embeddings have a cosine of 0\.98\d+, expected 0\.99 or more"):
        verify(tiny_copy)


def test_verify_needs_golden_answers(tiny_copy: Path, rewrite: Rewrite) -> None:
    rewrite(lambda fields: fields["files"].pop("golden.json"))
    assert Classifier.load(tiny_copy).predict(["good"])
    with pytest.raises(ManifestError, match=r"files: expected golden\.json among them"):
        verify(tiny_copy)


@pytest.mark.parametrize(
    ("difference", "cosine", "expected"),
    [
        (0.1, 0.99, []),
        (None, 1.0, []),
        (0.11, 0.99, ["int8 logits differ by 0.11, allowed 0.1"]),
        (None, 0.98, ["int8 embeddings have a cosine of 0.98, expected 0.99 or more"]),
        (math.nan, 1.0, ["int8 logits differ by nan, allowed 0.1"]),
        (0.0, math.nan, ["int8 embeddings have a cosine of nan, expected 0.99 or more"]),
    ],
)
def test_a_report_finds_what_lies_beyond_its_tolerance(
    difference: float | None, cosine: float, expected: list[str]
) -> None:
    report = VerificationReport("int8", difference, tolerance=0.1, embedding_cosine=cosine, min_cosine=0.99)
    assert report.findings() == expected


def test_a_bundle_without_a_head_is_verified_by_its_embeddings(tiny_copy: Path, rewrite: Rewrite) -> None:
    rewrite(lambda fields: [variant.update(classifier=None) for variant in fields["variants"].values()])
    reports = verify(tiny_copy)
    assert [report.logit_difference for report in reports] == [None, None]
    assert min(report.embedding_cosine for report in reports) > 0.99
