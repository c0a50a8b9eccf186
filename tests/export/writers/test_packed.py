"""What our own builder writes for one checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from torchless.bundle.manifest import TOKENIZER
from torchless.inputs.tokens import Tokenizer
from torchless_export.checkpoint import Checkpoint
from torchless_export.random_checkpoints import RANDOM_CHECKPOINTS, make
from torchless_export.weights import WeightsFile
from torchless_export.writers.packed import PackedWriter


@pytest.mark.parametrize("name", ["albert", "albert, groups"])
def test_layers_that_share_weights_share_their_place_on_disk(name: str, sentences: list[str], tmp_path: Path) -> None:
    sizes = []
    for repeats in (1, 3):
        settings = {**RANDOM_CHECKPOINTS[name].settings}
        settings["num_hidden_layers"] = settings.get("num_hidden_layers", 1) * repeats
        checkpoint = make(replace(RANDOM_CHECKPOINTS[name], settings=settings), tmp_path / f"{repeats}")
        writer = PackedWriter(Checkpoint.open(str(checkpoint)), "classifier", layout="packed")
        fp32, int8 = WeightsFile(f"{repeats}.fp32"), WeightsFile(f"{repeats}.int8")
        writer.graphs("fp32", fp32, None)
        writer.graphs("int8", int8, Tokenizer(checkpoint / TOKENIZER, 64).encode(sentences[:8]))
        for weights in (fp32, int8):
            weights.write(tmp_path)
        sizes.append([(tmp_path / weights.name).stat().st_size for weights in (fp32, int8)])
    assert sizes[0] == sizes[1]
