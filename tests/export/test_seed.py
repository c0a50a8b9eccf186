"""The seed: distilbert-base-uncased-finetuned-sst-2-english in three stages, with numbers from the outside world."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from torchless import Classifier, Encoder
from torchless.bundle.manifest import TOKENIZER
from torchless.inputs.tokens import Tokenizer
from torchless_export import export
from torchless_export.errors import CheckpointError

NAME = "distilbert/distilbert-base-uncased-finetuned-sst-2-english"
TEXTS = ["I've been waiting for a HuggingFace course my whole life.", "I hate this so much"]


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("seed") / "bundle"
    try:
        export(NAME, out)
    except CheckpointError as error:
        pytest.skip(f"the Hub is out of reach: {error}")
    return out


@pytest.mark.network
def test_the_seed_checkpoint_gives_the_published_numbers(seed: Path) -> None:
    batch = Tokenizer(seed / TOKENIZER, 512).encode(TEXTS)
    assert batch.lengths.tolist() == [16, 7]
    hidden, mask = Encoder.load(seed, precision="fp32").padded(TEXTS)
    assert hidden.shape == (2, 16, 768)
    assert mask.sum(axis=1).tolist() == [16, 7]
    np.testing.assert_allclose(hidden[0, 0, :3], [-0.1798, 0.2333, 0.6321], atol=1e-4)
    np.testing.assert_allclose(hidden[1, 0, :2], [-0.3088, 0.7332], atol=1e-4)
    classifier = Classifier.load(seed, precision="fp32")
    np.testing.assert_allclose(classifier.logits(TEXTS), [[-1.5607, 1.6123], [4.2141, -3.4158]], atol=1e-4)
    np.testing.assert_allclose(classifier.scores(TEXTS), [[0.040195, 0.95981], [0.99951, 0.00048549]], atol=1e-4)
    assert [p.label for p in classifier.predict(TEXTS)] == ["POSITIVE", "NEGATIVE"]


@pytest.mark.network
def test_int8_of_the_seed_checkpoint_agrees(seed: Path) -> None:
    assert [p.label for p in Classifier.load(seed, precision="int8").predict(TEXTS)] == ["POSITIVE", "NEGATIVE"]
