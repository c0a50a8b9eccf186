"""A served model: what runs when nothing else does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from torchless.serve.served_model import ServedModel, Task
from torchless.serve.settings import Settings


@pytest.mark.parametrize(
    ("bundle", "task"), [("tiny", "scores"), ("tiny", "embeddings"), ("tiny_tagger", "tags"), ("tiny_ranker", "logits")]
)
def test_a_batch_that_is_alone_is_answered_the_same(bundle: str, task: Task, request: pytest.FixtureRequest) -> None:
    model = ServedModel("m", request.getfixturevalue(bundle), Settings(), lone_threads=2)
    batch = model.tokenizer.encode(["a good film", "bad"])
    alone, among_others = model.run(task, batch, alone=True), model.run(task, batch)
    np.testing.assert_allclose(np.concatenate(list(alone)), np.concatenate(list(among_others)), atol=1e-6)


def test_the_head_that_a_bundle_was_exported_for_has_the_threads(tiny: Path, tiny_tagger: Path) -> None:
    for bundle in (tiny, tiny_tagger):
        model = ServedModel("m", bundle, Settings(), lone_threads=3)
        assert model.lone is not None
        assert type(model.lone) is type(model.classifier or model.tagger)
        assert (model.lone.session.threads, model.encoder.session.threads) == (3, 1)


@pytest.mark.parametrize("lone_threads", [1, 2])
def test_no_more_threads_than_a_batch_has_anyway_take_no_memory(tiny: Path, lone_threads: int) -> None:
    assert ServedModel("m", tiny, Settings(threads=2), lone_threads).lone is None
