"""A graph that is loaded: batches in, arrays out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from torchless import Classifier
from torchless.errors import InferenceError
from torchless.inputs.tokens import Batch
from torchless.running.plan import BUDGETS
from torchless.running.session import Session

BatchOf = Callable[[list[int]], Batch]
Lookup = Callable[..., Path]

WORDS = np.array([[0, 1, 2], [10, 11, 12], [20, 21, 22], [30, 31, 32], [40, 41, 42], [50, 51, 52]], np.float32)
KINDS = np.array([[0, 0, 0], [100, 200, 300]], np.float32)

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


def session_of(graph: Path, padding_id: int | None = None) -> Session:
    return Session(graph, device="cpu", threads=1, padding_id=padding_id)


@pytest.mark.parametrize("lengths", [[2, 3, 1], [1], [3, 3]])
def test_a_padded_graph_gives_the_rows_of_a_packed_one(lookup: Lookup, batch_of: BatchOf, lengths: list[int]) -> None:
    tokens = sum(lengths)
    expected = WORDS[:tokens] + KINDS[[0, 1, 0, 1, 0, 1][:tokens]]
    packed = session_of(lookup("packed", WORDS, KINDS))
    padded = session_of(lookup("padded", WORDS, KINDS), padding_id=5)
    assert (packed.padded, padded.padded) == (False, True)
    assert packed.columns == padded.columns == 3
    for session in (packed, padded):
        np.testing.assert_array_equal(session.run(batch_of(lengths)), expected)


def test_columns_are_labels_with_the_head_and_the_hidden_size_without_it(tiny: Path) -> None:
    assert session_of(tiny / "classifier.int8.onnx").columns == 3
    assert session_of(tiny / "encoder.int8.onnx").columns == 32


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_what_is_no_finite_number_is_refused(lookup: Lookup, batch_of: BatchOf, layout: str, value: float) -> None:
    words = WORDS.copy()
    words[4, 1] = value
    session = session_of(lookup(layout, words, KINDS), padding_id=None if layout == "packed" else 0)
    assert np.isfinite(session.run(batch_of([2, 2]))).all()
    with pytest.raises(InferenceError, match=r"answered with NaN or infinity.* try precision='fp32'"):
        session.run(batch_of([2, 3]))
    assert np.array_equal(session.outputs(batch_of([2, 3]))[0][4, 1], value, equal_nan=True)


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_a_refused_batch_is_named_with_its_size(lookup: Lookup, batch_of: BatchOf, layout: str) -> None:
    session = session_of(lookup(layout, WORDS, KINDS), padding_id=None if layout == "packed" else 0)
    with pytest.raises(InferenceError, match="refused a batch of 3 texts, 7 tokens: ") as caught:
        session.run(batch_of([3, 3, 1]))  # the table has rows for six
    assert caught.value.__cause__ is not None
    assert session.run(batch_of([3, 3])).shape == (6, 3)  # and the session goes on


def test_a_session_has_the_threads_and_the_budget_it_was_given(tiny: Path) -> None:
    session = Session(tiny / "encoder.fp32.onnx", device="cpu", threads=3)
    assert (session.threads, session.budget) == (3, BUDGETS["cpu"])
    assert session.with_threads(1).threads == 1
    assert session.with_threads(1) is session.with_threads(1)


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_a_session_with_other_threads_answers_the_same(lookup: Lookup, batch_of: BatchOf, layout: str) -> None:
    session = session_of(lookup(layout, WORDS, KINDS), padding_id=None if layout == "packed" else 0)
    for threads in (1, 2):
        other = session.with_threads(threads)
        assert (other.threads, other.padded) == (threads, session.padded)
        np.testing.assert_array_equal(other.run(batch_of([2, 1])), session.run(batch_of([2, 1])))


def test_a_large_run_answers_as_its_parts_do(tiny_classifier: Classifier, long_text: str) -> None:
    """It gives back onnxruntime's memory."""
    batch = tiny_classifier.tokenizer.encode([long_text] * 40)
    assert len(batch.input_ids) > 2048
    np.testing.assert_allclose(tiny_classifier.score(batch), tiny_classifier.scores([long_text] * 40), atol=1e-6)
