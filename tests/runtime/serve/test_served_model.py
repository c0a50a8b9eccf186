"""A served model: what runs when nothing else does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from torchless.errors import InferenceError, InputError
from torchless.running.session import Session
from torchless.serve import served_model
from torchless.serve.served_model import ServedModel, Task
from torchless.serve.settings import Settings


@pytest.mark.parametrize(
    ("bundle", "task"), [("tiny", "scores"), ("tiny", "embeddings"), ("tiny_tagger", "tags"), ("tiny_ranker", "logits")]
)
def test_a_batch_that_is_alone_is_answered_the_same(bundle: str, task: Task, request: pytest.FixtureRequest) -> None:
    model = ServedModel("m", request.getfixturevalue(bundle), Settings(lone_threads=2))
    batch = model.tokenizer.encode(["a good film", "bad"])
    alone, among_others = model.run(task, batch, alone=True), model.run(task, batch)
    np.testing.assert_allclose(np.concatenate(list(alone)), np.concatenate(list(among_others)), atol=1e-6)


@pytest.mark.parametrize(("bundle", "task"), [("tiny", "scores"), ("tiny_tagger", "tags")])
def test_the_head_that_a_bundle_was_exported_for_has_the_threads(
    bundle: str, task: Task, request: pytest.FixtureRequest
) -> None:
    model = ServedModel("m", request.getfixturevalue(bundle), Settings(lone_threads=3))
    assert model.lone is not None
    assert (model.lone.session.threads, model.encoder.session.threads) == (3, 1)
    assert (model.width(task, alone=True), model.width(task, alone=False)) == (3, 1)
    assert model.width("embeddings", alone=True) == 1


@pytest.mark.parametrize("lone_threads", [None, 1, 2])
def test_no_more_threads_than_a_batch_has_anyway_take_no_memory(tiny: Path, lone_threads: int | None) -> None:
    assert ServedModel("m", tiny, Settings(threads=2, lone_threads=lone_threads)).lone is None


def test_a_server_does_without_a_second_session_that_cannot_be_made(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Session, threads: int) -> Session:
        raise InferenceError(f"{threads} threads cannot be started")

    said: list[str] = []
    monkeypatch.setattr(Session, "with_threads", refuse)
    monkeypatch.setattr(served_model, "log_error", lambda event, **details: said.append(f"{event}: {details}"))
    assert ServedModel("m", tiny, Settings(lone_threads=2)).lone is None
    assert "2 threads cannot be started" in said[0]


def test_a_gpu_has_no_lone_threads() -> None:
    with pytest.raises(InputError, match="lone_threads: expected none on a GPU, got 2"):
        Settings(device="cuda", lone_threads=2)
