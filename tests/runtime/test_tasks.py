"""Pairs, windows, thresholds, activations and labels of one's own, against what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from torchless import Classifier, Encoder, TextPair, Windows, ZeroShotClassifier
from torchless.errors import IncompatibleError, InputError

LONG = " ".join("abcdefghijklmnopqrstuvwxyz" * 8)  # 208 tokens, a token a letter
PAIR = TextPair("the film was good", "it was bad")


@pytest.fixture(scope="module")
def classifier(tiny: Path) -> Classifier:
    return Classifier.load(tiny, precision="fp32")


def slow_windows(tokens: Sequence[str], room: int, stride: int) -> list[str]:
    """Windows by definition: each begins where the one before it ended, less the stride; the last reaches the end."""
    windows, start = [], 0
    while True:
        windows.append(" ".join(tokens[start : start + room]))
        if start + room >= len(tokens):
            return windows
        start += room - stride


def slow_combination(rows: NDArray[np.float32], combine: str) -> list[float]:
    columns = [[float(row[label]) for row in rows] for label in range(rows.shape[1])]
    if combine == "first":
        return [column[0] for column in columns]
    return [max(column) if combine == "max" else sum(column) / len(column) for column in columns]


@pytest.mark.parametrize("combine", ["mean", "max", "first"])
@pytest.mark.parametrize(("size", "stride"), [(None, 0), (None, 20), (20, 0), (20, 17), (3, 0)])
def test_windows_are_combined_as_defined(classifier: Classifier, combine: Any, size: int | None, stride: int) -> None:
    room = (size or classifier.manifest.max_tokens) - 2
    rows = [classifier.scores([text])[0] for text in slow_windows(LONG.split(), room, stride)]
    windows = Windows(stride=stride, combine=combine, size=size)
    expected = slow_combination(np.array(rows), combine)
    np.testing.assert_allclose(classifier.scores(["a", LONG], windows=windows)[1], expected, atol=1e-6)
    short, long = classifier.predict(["a", LONG], windows=windows)
    assert (short.windows, long.windows) == (1, 1 if combine == "first" else len(rows))
    assert (short.truncated, long.truncated) == (False, combine == "first")


def test_windows_of_a_pair_keep_its_second_text(classifier: Classifier) -> None:
    room = 20 - 3 - 3
    pairs = [TextPair(text, "x y z") for text in slow_windows(LONG.split(), room, 4)]
    expected = classifier.scores(pairs).mean(axis=0)
    windows = Windows(stride=4, size=20)
    actual = classifier.scores([TextPair(LONG, "x y z")], windows=windows)[0]
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_a_pair_that_fits_is_its_own_window_whatever_the_stride(classifier: Classifier) -> None:
    pairs = [TextPair("a b", " ".join(LONG.split()[:57])), TextPair("", " ".join(LONG.split()[:61]))]
    assert classifier.predict(pairs, windows=Windows(stride=40)) == classifier.predict(pairs)
    (first,) = classifier.predict([TextPair("a b c d e", pairs[0].second)], windows=Windows(stride=40, combine="first"))
    assert first.truncated


def test_logits_and_embeddings_have_windows_too(classifier: Classifier, tiny: Path) -> None:
    windows = Windows(stride=5)
    texts = slow_windows(LONG.split(), classifier.manifest.max_tokens - 2, 5)
    np.testing.assert_allclose(
        classifier.logits([LONG], windows=windows)[0], classifier.logits(texts).mean(0), atol=1e-5
    )
    encoder = Encoder.load(tiny, precision="fp32")
    vectors = encoder.embed(texts, normalize=False)
    np.testing.assert_allclose(encoder.embed([LONG], normalize=False, windows=windows)[0], vectors.mean(0), atol=1e-5)
    assert encoder.truncated([LONG]).tolist() == [True]
    assert encoder.truncated([LONG], windows=windows).tolist() == [False]
    answer = encoder.answer([LONG, "a"], windows=windows)
    assert (answer.windows.tolist(), answer.truncated.tolist()) == ([len(texts), 1], [False, False])
    assert encoder.answer([LONG, "a"]).truncated.tolist() == [True, False]


def test_a_text_that_fits_is_its_own_window(classifier: Classifier, sentences: list[str]) -> None:
    texts = [text for text, cut in zip(sentences, classifier.predict(sentences), strict=True) if not cut.truncated]
    assert classifier.predict(texts, windows=Windows()) == classifier.predict(texts)


def test_a_pair_is_more_than_its_first_text(classifier: Classifier) -> None:
    pair, swapped, alone = classifier.logits([PAIR, TextPair(PAIR.second, PAIR.first), PAIR.first])
    assert np.abs(pair - alone).max() > 1e-3
    assert np.abs(pair - swapped).max() > 1e-3


def test_pairs_and_texts_may_stand_in_one_list(classifier: Classifier) -> None:
    texts = [PAIR, "good", TextPair("", ""), LONG, TextPair(LONG, LONG)]
    together = classifier.logits(texts)
    np.testing.assert_allclose(together, np.concatenate([classifier.logits([text]) for text in texts]), atol=1e-5)
    assert [p.truncated for p in classifier.predict(texts)] == [False, False, False, True, True]


def test_no_texts_have_no_windows(classifier: Classifier) -> None:
    assert classifier.predict([], windows=Windows()) == []
    assert classifier.scores([], windows=Windows()).shape == (0, 3)


def test_an_activation_of_ones_own(classifier: Classifier) -> None:
    logits = classifier.logits([PAIR])
    np.testing.assert_allclose(classifier.scores([PAIR], activation="sigmoid"), 1 / (1 + np.exp(-logits)), atol=1e-6)
    np.testing.assert_array_equal(classifier.scores([PAIR], activation="none"), logits)
    (prediction,) = classifier.predict([PAIR], activation="none")
    assert prediction.score == logits.max()


def test_a_threshold_leaves_out_what_scores_less(classifier: Classifier) -> None:
    (ranking,) = classifier.rank([PAIR])
    second = ranking[1].score
    assert classifier.rank([PAIR], threshold=second) == [ranking[:2]]
    assert classifier.rank([PAIR], threshold=1) == [[]]
    assert classifier.rank([PAIR], threshold=0, top_k=1) == [ranking[:1]]
    own = {ranking[0].label: 1.0, ranking[1].label: 0.0, ranking[2].label: second}
    assert classifier.rank([PAIR], threshold=own) == [ranking[1:2]]
    assert classifier.rank([PAIR], threshold=-5, activation="none") == classifier.rank([PAIR], activation="none")


BAD: dict[str, tuple[Callable[[Classifier, Encoder], Any], str]] = {
    "pooling": (lambda _, e: e.embed(["x"], pooling="last"), "pooling: expected one of cls, mean, max, got 'last'"),
    "activation": (
        lambda c, _: c.predict(["x"], activation="tanh"),
        "activation: expected one of softmax, sigmoid, none",
    ),
    "negative stride": (lambda *_: Windows(stride=-1), "stride: expected a whole number of 0 or more, got -1"),
    "half a stride": (lambda *_: Windows(stride=0.5), "stride: expected a whole number of 0 or more, got 0.5"),  # type: ignore[arg-type]
    "combination": (lambda *_: Windows(combine="sum"), "combine: expected one of mean, max, first, got 'sum'"),  # type: ignore[arg-type]
    "window of none": (lambda *_: Windows(size=0), "size: expected a whole number of 1 or more, .* got 0"),
    "window of more": (
        lambda c, _: c.predict([], windows=Windows(size=65)),
        "size: expected at most .* 64 tokens, got 65",
    ),
    "stride of a window": (
        lambda c, _: c.predict([], windows=Windows(stride=8, size=10)),
        "stride: expected less than the 8 tokens of a text that a window of 10 holds, got 8",
    ),
    "second text fills the window": (
        lambda c, _: c.predict(["x", TextPair("a", LONG)], windows=Windows()),
        r"texts\[1\].second: it stands in every window, and with 211 of 64 tokens leaves the first text 0",
    ),
    "threshold": (lambda c, _: c.rank(["x"], threshold=1.1), "threshold: expected a number from 0 to 1, got 1.1"),
    "threshold of nan": (
        lambda c, _: c.rank(["x"], threshold=float("nan")),
        "threshold: expected a number from 0 to 1",
    ),
    "threshold of words": (lambda c, _: c.rank(["x"], threshold="high"), "threshold: expected a number from 0 to 1"),
    "threshold without end": (
        lambda c, _: c.rank(["x"], threshold=float("inf"), activation="none"),
        "threshold: expected a finite number, got inf",
    ),
    "threshold of a label": (
        lambda c, _: c.rank(["x"], threshold={"negative": 0.1, "neutral": -2, "positive": 0.1}),
        r"threshold\['neutral'\]: expected a number from 0 to 1, got -2",
    ),
    "unknown label": (
        lambda c, _: c.rank(["x"], threshold={"joy": 0.5}),
        "threshold: there is no label 'joy'; the labels are",
    ),
    "missing label": (
        lambda c, _: c.rank(["x"], threshold={"neutral": 0.5}),
        "expected a number for every label, got none for",
    ),
    "tuple": (lambda c, _: c.predict([("a", "b")]), r"texts\[0\]: expected str, got tuple. Wrap .* TextPair"),
    "bare pair": (lambda c, _: c.predict(PAIR), "expected a list of str, got a bare TextPair"),
    "windows of a number": (
        lambda c, _: c.predict(["x"], windows=64),
        r"windows: expected Windows\(.*\) or None, got 64",
    ),
    "vectors of windows of a number": (
        lambda _, e: e.embed(["x"], windows=True),
        "windows: expected Windows.*, got True",
    ),
    "list of activations": (
        lambda c, _: c.predict(["x"], activation=["x"]),
        r"activation: expected one of .*, got \['x'\]",
    ),
    "list of poolings": (lambda _, e: e.embed(["x"], pooling=[]), r"pooling: expected one of .*, got \[\]"),
    "half a pair": (lambda c, _: c.predict([TextPair("a", None)]), r"texts\[0\].second: expected str, got NoneType"),  # type: ignore[arg-type]
    "half a character": (lambda c, _: c.predict([TextPair("\ud83d", "")]), r"texts\[0\].first: lone surrogate U\+D83D"),
}


@pytest.mark.parametrize("name", BAD)
def test_every_bad_argument_has_an_error_of_its_own(classifier: Classifier, tiny: Path, name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(InputError, match=message):
        call(classifier, Encoder.load(tiny))


def test_a_pair_given_to_a_model_of_single_texts_is_refused(mini: Path) -> None:
    with pytest.raises(InputError, match=r"texts\[1\]: this model takes single texts, got a TextPair"):
        Classifier.load(mini).predict(["x", PAIR])


@pytest.fixture
def nli(tiny_copy: Path, rewrite: Callable[..., None]) -> Callable[..., Path]:
    """The random model under labels of natural language inference."""

    def nli(*labels: str) -> Path:
        rewrite(lambda manifest: manifest.update(labels=list(labels), default_precision="fp32"))
        return tiny_copy

    return nli


@pytest.mark.parametrize(
    ("labels", "entailment", "contradiction"),
    [
        (("contradiction", "neutral", "entailment"), 2, 0),
        (("ENTAILMENT", "NEUTRAL", "CONTRADICTION"), 0, 2),
        (("no", "Entailed", "other"), 1, 0),
    ],
)
def test_zero_shot_scores_are_made_of_the_entailment_logits(
    nli: Callable[..., Path], labels: tuple[str, ...], entailment: int, contradiction: int
) -> None:
    path = nli(*labels)
    candidates, template = ["films", "food", "war"], "This is about {}."
    classifier, zero_shot = Classifier.load(path), ZeroShotClassifier.load(path)
    for text, cut in (("the film was good", False), (LONG, True)):
        rows = [longest_premise(classifier, text, template.format(label)) for label in candidates]
        one = np.exp([row[entailment] for row in rows])
        each = [np.exp(row[entailment]) / (np.exp(row[entailment]) + np.exp(row[contradiction])) for row in rows]
        answers = zero_shot.answer(["x", text], candidates, hypothesis_template=template)
        np.testing.assert_allclose(answers.scores[1], one / one.sum(), atol=1e-6)
        assert answers.truncated.tolist() == [False, cut]
        answers = zero_shot.answer(["x", text], candidates, hypothesis_template=template, multi_label=True)
        np.testing.assert_allclose(answers.scores[1], each, atol=1e-6)


def longest_premise(classifier: Classifier, premise: str, hypothesis: str) -> NDArray[np.float32]:
    """The logits with as much of the premise as leaves the hypothesis whole."""
    words = premise.split()
    while True:
        pair = TextPair(" ".join(words), hypothesis)
        if not classifier.predict([pair])[0].truncated:
            row: NDArray[np.float32] = classifier.logits([pair])[0]
            return row
        words.pop()


def test_zero_shot_ranks_the_labels_given(nli: Callable[..., Path]) -> None:
    zero_shot = ZeroShotClassifier.load(nli("contradiction", "neutral", "entailment"))
    candidates = ["films", "food", "war"]
    (scores,) = zero_shot.answer(["the film was good"], candidates).scores
    (ranking,) = zero_shot.rank(["the film was good"], (label for label in candidates), top_k=2)
    best = sorted(range(3), key=lambda index: -scores[index])[:2]
    assert [(p.label, p.score) for p in ranking] == [(candidates[index], float(scores[index])) for index in best]
    above = zero_shot.rank(["the film was good"], candidates, threshold={"films": 1, "food": 0, "war": 1})
    assert [p.label for p in above[0]] == ["food"]


def test_zero_shot_takes_an_nli_model(mini: Path, tiny: Path) -> None:
    with pytest.raises(IncompatibleError, match="reads single texts"):
        ZeroShotClassifier.load(mini)
    with pytest.raises(
        IncompatibleError, match="labels negative, neutral, positive, and none that begins with 'entail'"
    ):
        ZeroShotClassifier.load(tiny)
    assert ZeroShotClassifier.load(tiny, entailment="positive").rank(["x"], ["a"])[0][0].label == "a"
    with pytest.raises(InputError, match="entailment: expected one of negative, neutral, positive, got 'yes'"):
        ZeroShotClassifier.load(tiny, entailment="yes")


@pytest.mark.parametrize(
    ("labels", "template", "message"),
    [
        ([], "{}", "labels: expected one candidate label or more, got none"),
        ("a,b", "{}", "labels: expected a list of str, got str"),
        ({"a", "b"}, "{}", "labels: expected a list of str, got set"),
        (None, "{}", "labels: expected a list of str, got NoneType"),
        (["a", "\ud800"], "{}", r"labels\[1\]: lone surrogate U\+D800"),
        (["a", LONG], "{}", r"labels\[1\]: its hypothesis leaves no room for a text within the model's 64 tokens"),
        (["a"], "{{}}", "hypothesis_template: expected {} where the label goes, got '{{}}'"),
        (["a"], None, "hypothesis_template: expected a sentence with {}, got None"),
        (["a", " "], "{}", r"labels\[1\]: expected a str that is not blank, got ' '"),
        (["a", 5], "{}", r"labels\[1\]: expected a str that is not blank, got 5"),
        (["a"], "no place", "hypothesis_template: expected {} where the label goes, got 'no place'"),
        (["a"], "{} and {}", "hypothesis_template: expected a sentence with one {}, got '{} and {}'"),
        (["a"], "{", "hypothesis_template: expected a sentence with one {}"),
    ],
)
def test_zero_shot_refuses_what_is_no_label_and_no_template(
    tiny: Path, labels: Any, template: Any, message: str
) -> None:
    zero_shot = ZeroShotClassifier.load(tiny, entailment="positive")
    with pytest.raises(InputError, match=message):
        zero_shot.rank(["x"], labels, hypothesis_template=template)
    assert zero_shot.rank([], ["a", "b"]) == []


def test_a_limited_model_cuts_earlier_and_leaves_the_other_alone(tiny: Path, classifier: Classifier) -> None:
    pair = TextPair(LONG, "x y z")
    whole = classifier.logits([pair])  # the tokenizer for pairs is there already, and has the old limit
    limited = classifier.limited(10).limited(8)
    np.testing.assert_allclose(limited.logits([LONG]), classifier.logits([" ".join(LONG.split()[:6])]), atol=1e-6)
    np.testing.assert_allclose(limited.logits([pair]), classifier.logits([TextPair("a b c", "x y")]), atol=1e-6)
    np.testing.assert_array_equal(classifier.logits([pair]), whole)
    assert limited.predict([LONG])[0].truncated
    encoder = Encoder.load(tiny, precision="fp32").limited(5)
    assert encoder.hidden_states([LONG])[0].shape == (5, 32)


@pytest.mark.parametrize("limit", [0, 1, 65, 2.0, True, None])
def test_a_limit_is_one_that_the_model_has_room_for(tiny: Path, classifier: Classifier, limit: Any) -> None:
    for model in (classifier, Encoder.load(tiny)):
        with pytest.raises(InputError, match="max_tokens: expected"):
            model.limited(limit)
