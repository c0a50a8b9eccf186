"""Answers are looked at after the last arithmetic, whatever a graph or a tokenizer does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, Encoder, TextPair, TorchlessError, Windows, ZeroShotClassifier
from torchless.answers.numerics import normalize, sigmoid, softmax
from torchless.errors import InferenceError
from torchless.inputs.tokens import _PIECE_CHARACTERS, _PIECE_TEXTS, pieces
from torchless.running.memory import give_back

onnx = pytest.importorskip("onnx")  # makes graphs for the tests; the runtime does without
TensorProto, helper = onnx.TensorProto, onnx.helper

Record = Callable[[str, bytes], None]


def constant(output: str, kind: int, shape: list[int], value: float) -> bytes:
    """A graph that answers this, whatever it is asked."""
    numbers = [value] * int(np.prod(shape))
    graph = helper.make_graph(
        [helper.make_node("Identity", ["k"], [output])],
        "constant",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT32, ["T"])],
        [helper.make_tensor_value_info(output, kind, shape)],
        [helper.make_tensor("k", kind, shape, numbers)],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)])
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize(
    ("kind", "shape", "value", "complaint"),
    [
        (TensorProto.DOUBLE, [2, 3], 1e300, "NaN or infinity"),
        (TensorProto.FLOAT, [2, 3], float("nan"), "NaN or infinity"),
        (TensorProto.FLOAT, [2, 3], float("inf"), "NaN or infinity"),
        (TensorProto.FLOAT, [1, 3], 1.0, r"answered with float32 \(1, 3\) to 2 texts, .*expected float32 \(2, 3\)"),
        (TensorProto.FLOAT, [3, 3], 1.0, r"answered with float32 \(3, 3\)"),
        (TensorProto.FLOAT, [2, 1, 3], 1.0, r"answered with float32 \(2, 1, 3\)"),
        (TensorProto.INT64, [2, 3], 1, r"answered with int64 \(2, 3\)"),
    ],
)
def test_a_graph_that_answers_something_else_is_an_error(
    tiny_copy: Path, record: Record, kind: int, shape: list[int], value: float, complaint: str
) -> None:
    record("classifier.int8.onnx", constant("logits", kind, shape, value))
    classifier = Classifier.load(tiny_copy)
    calls: list[Callable[[list[str]], Any]] = [
        classifier.predict,
        classifier.logits,
        lambda texts: classifier.score(classifier.tokenizer.encode(texts)),
    ]
    for call in calls:
        with pytest.raises(InferenceError, match=complaint):
            call(["a", "b"])


def test_a_graph_that_answers_a_number_is_refused(tiny_copy: Path, record: Record) -> None:
    record("classifier.int8.onnx", constant("logits", TensorProto.FLOAT, [], 1.0))
    with pytest.raises(InferenceError, match=r"output logits: expected an array, got tensor\(float\) without a shape"):
        Classifier.load(tiny_copy)


def test_other_floats_are_float32_to_the_caller(tiny_copy: Path, record: Record) -> None:
    record("classifier.int8.onnx", constant("logits", TensorProto.DOUBLE, [2, 3], 1.5))
    answers = Classifier.load(tiny_copy).logits(["a", "b"])
    assert (answers.dtype, answers.tolist()) == (np.float32, [[1.5] * 3] * 2)


def test_an_encoder_answers_one_row_per_token(tiny_copy: Path, record: Record) -> None:
    record("encoder.int8.onnx", constant("hidden_states", TensorProto.FLOAT, [2, 32], 1.0))
    with pytest.raises(InferenceError, match=r"answered with float32 \(2, 32\) to 1 texts, 3 tokens"):
        Encoder.load(tiny_copy).embed(["a"])


def test_a_mean_that_overflows_is_an_error_and_a_length_that_does_is_not(tiny_copy: Path, record: Record) -> None:
    record("encoder.int8.onnx", constant("hidden_states", TensorProto.FLOAT, [3, 32], 3e38))
    encoder = Encoder.load(tiny_copy)
    with pytest.raises(InferenceError, match="NaN or infinity"):
        encoder.embed(["a"])
    vectors = encoder.embed(["a"], pooling="max", normalize=True)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)


def test_arithmetic_does_not_ask_numpy_whether_it_may(tiny_classifier: Classifier) -> None:
    large = np.array([[1000.0, -1000.0, 3e38]], np.float32)
    with np.errstate(all="raise"):
        assert softmax(large).tolist() == [[0, 0, 1]]
        assert sigmoid(large).tolist() == [[1, 0, 1]]
        assert np.isfinite(normalize(large)).all()
        assert tiny_classifier.predict(["a"])


@pytest.fixture
def panicking(tiny_copy: Path, record: Record) -> Path:
    """A bundle whose tokenizer panics, as Rust calls it, at texts that its pattern has too many ways to match."""
    tokenizer = json.loads((tiny_copy / "tokenizer.json").read_bytes())
    split = {"type": "Split", "pattern": {"Regex": "(o+o+)+p"}, "behavior": "Isolated", "invert": False}
    tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, tokenizer["pre_tokenizer"]]}
    record("tokenizer.json", json.dumps(tokenizer).encode())
    return tiny_copy


def test_a_panic_of_the_tokenizer_is_an_error_of_ours(panicking: Path, capfd: pytest.CaptureFixture[str]) -> None:
    classifier = Classifier.load(panicking)
    bad = "o" * 40
    calls: list[Callable[[], Any]] = [
        lambda: classifier.predict([bad]),
        lambda: classifier.predict([TextPair(bad, "c")]),
        lambda: classifier.predict([bad], windows=Windows()),
        lambda: classifier.tokenizer.untruncated([bad]),
        lambda: ZeroShotClassifier(classifier, entailment="positive").rank([bad], ["c", "d"]),
    ]
    for call in calls:
        with pytest.raises(TorchlessError, match="the tokenizer failed"):
            call()
    capfd.readouterr()  # Rust says so on stderr


def test_a_list_is_tokenised_in_pieces_that_are_bounded(tiny_classifier: Classifier, sentences: list[str]) -> None:
    long = "a " * (_PIECE_CHARACTERS // 3)
    texts = [*sentences * 12, long, long, TextPair(long, "b"), "c"]
    cut = list(pieces(texts))
    assert [text for _, piece in cut for text in piece] == texts
    assert [first for first, _ in cut] == [0, *np.cumsum([len(piece) for _, piece in cut])[:-1]]
    assert [len(piece) for _, piece in cut] == [_PIECE_TEXTS, _PIECE_TEXTS, 353, 1, 2]
    assert list(pieces([])) == []
    assert list(pieces([long * 4])) == [(0, [long * 4])]
    texts[2000:] = sentences[:60]
    for windows in (None, Windows(size=16, stride=2)):
        whole = tiny_classifier.answer(texts, windows=windows)
        parts = [tiny_classifier.answer(texts[first : first + 100], windows=windows) for first in range(0, 2060, 100)]
        np.testing.assert_allclose(whole.scores, np.concatenate([part.scores for part in parts]), atol=1e-6)
        np.testing.assert_array_equal(whole.windows, np.concatenate([part.windows for part in parts]))


def test_a_text_of_a_later_piece_is_called_by_its_place_in_the_list(tiny_classifier: Classifier) -> None:
    texts = [*["a"] * 1500, TextPair("a " * 100, "b " * 100)]
    with pytest.raises(TorchlessError, match=r"texts\[1500\]\.second: every window holds it"):
        tiny_classifier.predict(texts, windows=Windows(stride=3))


def test_zero_shot_answers_long_lists_in_parts(
    tiny_classifier: Classifier, sentences: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    zero_shot = ZeroShotClassifier(tiny_classifier, entailment="positive")
    whole = zero_shot.answer(sentences[:30], ["a", "b", "c"])
    monkeypatch.setattr("torchless.zero_shot._PAIRS", 10)
    parts = zero_shot.answer(sentences[:30], ["a", "b", "c"])
    np.testing.assert_allclose(parts.scores, whole.scores, atol=1e-6)
    np.testing.assert_array_equal(parts.truncated, whole.truncated)
    assert zero_shot.answer([], ["a"]).scores.shape == (0, 1)


def test_memory_is_given_back_wherever_that_can_be_done() -> None:
    give_back(10)
    give_back(10**6)
