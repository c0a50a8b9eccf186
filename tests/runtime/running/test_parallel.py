"""Long lists run their batches side by side, and nobody can tell from the answers."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from torchless import Classifier, Encoder
from torchless.errors import InferenceError
from torchless.inputs.tokens import Batch
from torchless.running.session import Session

BOUND = 1e-6  # as in test_session.py
SHORT = 40  # sentences, which are seven batches; all 200 are 36


def threads_of_runs(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the threads that run batches from now on."""
    seen: set[str] = set()
    run = Session.run

    def noted(session: Session, batch: Batch) -> np.ndarray:
        seen.add(threading.current_thread().name)
        return run(session, batch)

    monkeypatch.setattr(Session, "run", noted)
    return seen


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_long_list_has_the_answers_of_its_texts_alone_in_their_order(
    tiny: Path, sentences: list[str], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Classifier.load(tiny, precision=precision, threads=2)
    alone = np.concatenate([classifier.scores([text]) for text in sentences])
    seen = threads_of_runs(monkeypatch)
    together = classifier.scores(sentences)
    assert any(name.startswith("torchless-list") for name in seen)
    assert np.abs(together - alone).max() <= BOUND


def test_an_encoders_long_list_has_the_vectors_of_one_thread(tiny: Path, sentences: list[str]) -> None:
    one, two = Encoder.load(tiny, threads=1), Encoder.load(tiny, threads=2)
    assert np.abs(one.embed(sentences) - two.embed(sentences)).max() <= BOUND
    for expected, got in zip(one.hidden_states(sentences), two.hidden_states(sentences), strict=True):
        assert np.abs(expected - got).max() <= 1e-5


@pytest.mark.parametrize(("threads", "texts"), [(1, 200), (2, SHORT)], ids=["one thread", "a short list"])
def test_what_gains_nothing_runs_where_it_was_called(
    tiny: Path, sentences: list[str], threads: int, texts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Classifier.load(tiny, threads=threads)
    seen = threads_of_runs(monkeypatch)
    classifier.scores(sentences[:texts])
    assert seen == {threading.current_thread().name}


def test_an_error_in_one_batch_comes_out_and_drops_the_rest(
    tiny: Path, sentences: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[Session] = []

    def refuse(session: Session, _: Batch) -> np.ndarray:
        refused.append(session)
        raise InferenceError("the third batch is one too many")

    classifier = Classifier.load(tiny, threads=2)
    monkeypatch.setattr(Session, "run", refuse)
    with pytest.raises(InferenceError, match="one too many"):
        classifier.scores(sentences)
    assert len(refused) < 10  # of 36
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("torchless-list")]
