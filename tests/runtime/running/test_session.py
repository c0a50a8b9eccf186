"""A graph that is loaded: batches in, arrays out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from torchless import Classifier
from torchless.errors import InferenceError
from torchless.inputs.tokens import Batch

# int8 differs by nothing at all where attention's kernel treats rows alike, which every CPU seen so far does.
# The bound leaves room for one last digit.
BOUND = 1e-6


def in_shuffled_batches(classifier: Classifier, texts: list[str], size: int) -> NDArray[np.float32]:
    order = np.random.default_rng(size).permutation(len(texts))
    scores = np.empty((len(texts), len(classifier.labels)), np.float32)
    for start in range(0, len(order), size):
        group = order[start : start + size]
        scores[group] = classifier.scores([texts[i] for i in group])
    return scores


@pytest.fixture(scope="module", params=[("mini", "int8"), ("tiny", "int8"), ("tiny", "fp32")], ids="-".join)
def classifier(request: pytest.FixtureRequest) -> Classifier:
    bundle, precision = request.param
    return Classifier.load(request.getfixturevalue(bundle), precision=precision)


@pytest.fixture(scope="module")
def alone(classifier: Classifier, sentences: list[str]) -> NDArray[np.float32]:
    """The scores of every sentence by itself."""
    return np.concatenate([classifier.scores([text]) for text in sentences])


@pytest.mark.parametrize("size", [2, 32, 200])
def test_alone_or_in_company_scores_are_the_same(
    classifier: Classifier, alone: NDArray[np.float32], size: int, sentences: list[str]
) -> None:
    together = in_shuffled_batches(classifier, sentences, size)
    assert (alone.argmax(axis=1) == together.argmax(axis=1)).all()
    assert np.abs(alone - together).max() <= BOUND


def test_a_very_long_neighbour_changes_nothing(mini: Path) -> None:
    classifier = Classifier.load(mini)
    alone = classifier.scores(["a quiet delight"])
    beside = classifier.scores(["a quiet delight", "never again " * 400])
    assert np.abs(alone[0] - beside[0]).max() <= BOUND


def test_threads_do_not_change_the_answer(mini: Path, sentences: list[str]) -> None:
    one = Classifier.load(mini, threads=1).logits(sentences)
    two = Classifier.load(mini, threads=2).logits(sentences)
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_a_model_that_answers_nan_is_an_error(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = Classifier.load(tiny)
    monkeypatch.setattr(classifier.session, "outputs", lambda _: [np.array([[np.nan, 0, 0]], np.float32)])
    with pytest.raises(InferenceError, match="NaN or infinity"):
        classifier.predict(["good"])


def test_a_batch_that_onnxruntime_refuses_is_described(tiny: Path) -> None:
    session = Classifier.load(tiny).session
    alien = Batch(np.array([10**6], np.int32), np.array([0, 1]), np.array([False]), np.array([0], np.int32))
    with pytest.raises(InferenceError, match="refused a batch of 1 texts, 1 tokens") as caught:
        session.run(alien)
    assert caught.value.__cause__ is not None
