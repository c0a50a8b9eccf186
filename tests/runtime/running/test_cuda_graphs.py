"""One text by way of the recordings, on a CPU, where nothing is recorded; tests/export/test_cuda.py has a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from torchless import Classifier, Encoder
from torchless.inputs.tokens import Batch
from torchless.running import cuda_graphs, feeds
from torchless.running.cuda_graphs import CudaGraphs
from torchless.running.session import Session

BatchOf = Callable[[list[int]], Batch]
TEXTS = ["a b c", "c b a", "a", "z y x", "", "a b c"]  # three of them are of the same length


@pytest.mark.parametrize("kind", [Classifier, Encoder])
def test_every_text_gets_its_own_rows_whatever_came_before(tiny: Path, kind: type[Classifier | Encoder]) -> None:
    model = kind.load(tiny, precision="fp32")
    graphs = CudaGraphs(tiny / f"{kind.graph_kind}.fp32.onnx", "cpu")
    for text in TEXTS:
        batch = model.tokenizer.encode([text])
        np.testing.assert_allclose(graphs.run(feeds.packed(batch)), model.session.run(batch), rtol=0, atol=1e-6)


def test_a_number_of_tokens_is_recorded_once(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[int] = []

    class Noted(cuda_graphs._Recording):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            recorded.append(len(arguments[2]["input_ids"]))  # type: ignore[index]

    monkeypatch.setattr(cuda_graphs, "_Recording", Noted)
    graphs, tokenizer = CudaGraphs(tiny / "encoder.fp32.onnx", "cpu"), Encoder.load(tiny).tokenizer
    for text in TEXTS:
        graphs.run(feeds.packed(tokenizer.encode([text])))
    assert recorded == [5, 3, 2]


def test_a_session_sends_only_texts_that_are_alone_and_not_too_long_to_the_recordings(
    lookup: Callable[..., Path], batch_of: BatchOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, kinds = np.arange(12, dtype=np.float32).reshape(6, 2), np.zeros((2, 2), np.float32)
    monkeypatch.setattr("torchless.running.session.MAX_TOKENS", 4)
    lone = lookup("packed", words + 100, kinds)  # so that the answer tells where it comes from
    session = Session(lookup("packed", words, kinds), device="cpu", threads=1, lone=lone)
    for lengths, recorded in (([3], True), ([4], True), ([5], False), ([1, 1], False), ([1], True)):
        expected = words[: sum(lengths)] + (100 if recorded else 0)
        np.testing.assert_array_equal(session.run(batch_of(lengths)), expected)
