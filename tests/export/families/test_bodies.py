"""The body of every architecture, without its head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from torchless import Bundle, Encoder
from torchless_export import ExportReport, export
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import CheckpointError
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS
from torchless_export.weights import WeightsFile
from torchless_export.writers.packed import PackedWriter

Exported = tuple[Path, Path, ExportReport]


def refused(folder: Path, out: Path, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        export(folder, out)
    assert not out.exists()


@pytest.fixture(params=RANDOM_CHECKPOINTS)
def whole(request: pytest.FixtureRequest, exported_random: Callable[[str], Exported]) -> Exported:
    return exported_random(request.param)


@pytest.fixture
def body(whole: Exported, tmp_path: Path) -> Path:
    """What someone has who trained no head."""
    AutoModelForSequenceClassification.from_pretrained(whole[0]).base_model.save_pretrained(tmp_path / "body")
    AutoTokenizer.from_pretrained(whole[0]).save_pretrained(tmp_path / "body")
    return tmp_path / "body"


def test_a_body_alone_exports_without_a_head_and_says_what_a_head_would_take(
    whole: Exported, body: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    refused(body, out, CheckpointError, r"no classification head: .*\.weight.*--encoder-only")
    export(body, out, encoder_only=True, precisions=["fp32"])
    assert Bundle.open(out).manifest.labels == ()
    texts = ["good", "a bad film"]
    np.testing.assert_array_equal(Encoder.load(out).embed(texts), Encoder.load(whole[1], precision="fp32").embed(texts))


def test_without_its_head_a_checkpoint_makes_the_very_encoder_that_it_makes_with_it(
    whole: Exported, tmp_path: Path
) -> None:
    checkpoint, bundle, _ = whole
    weights = WeightsFile("weights.fp32")
    writer = PackedWriter(Checkpoint.open(str(checkpoint)), "encoder", layout="packed")
    (graph,) = writer.graphs("fp32", weights, None).values()
    weights.write(tmp_path)
    assert graph == onnx.load(bundle / "encoder.fp32.onnx", load_external_data=False)
    written = (tmp_path / weights.name).read_bytes()
    assert written == (bundle / weights.name).read_bytes()[: len(written)]  # the head's tensors come after
