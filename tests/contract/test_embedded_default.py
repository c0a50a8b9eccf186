"""models/sst2-mini: the bundle that a newcomer runs first."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from torchless import Bundle, Classifier, verify

SHARED = Path(__file__).parents[3] / "shared" / "data" / "sst2" / "dev.tsv"


def test_it_is_small(mini: Path) -> None:
    assert sum(path.stat().st_size for path in mini.iterdir()) <= 25_000_000


def test_it_is_what_was_exported(mini: Path) -> None:
    (report,) = verify(mini)
    assert report.precision == "int8"


def test_its_card_and_manifest_say_where_it_is_from_and_how_exact_it_is(mini: Path) -> None:
    manifest = Bundle.open(mini).manifest
    assert manifest.source.license == "apache-2.0"
    assert manifest.quality["parity"]["max_logit_difference"] <= 1e-4
    assert manifest.quality["int8"]["disagreement"] <= 0.01
    accuracy = manifest.quality["accuracy"]
    assert accuracy["torch"] - accuracy["int8"] <= 0.005
    card = (mini / "README.md").read_text(encoding="utf-8")
    assert f"{accuracy['int8']:.2%}" in card


@pytest.mark.skipif(not SHARED.is_file(), reason="SST-2 cannot be shipped; it is read from ../shared/data/sst2")
def test_its_accuracy_on_sst2_is_what_the_card_says(mini: Path) -> None:
    with SHARED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    classifier = Classifier.load(mini)
    predictions = classifier.predict([row["sentence"] for row in rows])
    right = sum(p.label == classifier.labels[int(row["label"])] for p, row in zip(predictions, rows, strict=True))
    assert right / len(rows) == pytest.approx(classifier.manifest.quality["accuracy"]["int8"], abs=0.002)
