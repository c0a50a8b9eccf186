"""A small model, as the quantiser is given it."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchless_export.checkpoint import Checkpoint
from torchless_export.families import FAMILIES
from torchless_export.spec import EncoderSpec
from torchless_export.tensors import Tensors


@pytest.fixture(scope="session")
def spec(checkpoint: Path) -> EncoderSpec:
    opened = Checkpoint.open(str(checkpoint))
    return FAMILIES["distilbert"](opened.config, Tensors(opened.weights(), "here"), "classifier")
