"""Windows over long texts, against what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from torchless import Classifier, Encoder, TextPair, Windows
from torchless.errors import InputError


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
def test_windows_are_combined_as_defined(
    tiny_classifier: Classifier, combine: Any, size: int | None, stride: int, long_text: str
) -> None:
    room = (size or tiny_classifier.manifest.max_tokens) - 2
    rows = [tiny_classifier.scores([text])[0] for text in slow_windows(long_text.split(), room, stride)]
    windows = Windows(stride=stride, combine=combine, size=size)
    expected = slow_combination(np.array(rows), combine)
    np.testing.assert_allclose(tiny_classifier.scores(["a", long_text], windows=windows)[1], expected, atol=1e-6)
    short, long = tiny_classifier.predict(["a", long_text], windows=windows)
    assert (short.windows, long.windows) == (1, 1 if combine == "first" else len(rows))
    assert (short.truncated, long.truncated) == (False, combine == "first")


def test_windows_of_a_pair_keep_its_second_text(tiny_classifier: Classifier, long_text: str) -> None:
    room = 20 - 3 - 3
    pairs = [TextPair(text, "x y z") for text in slow_windows(long_text.split(), room, 4)]
    expected = tiny_classifier.scores(pairs).mean(axis=0)
    windows = Windows(stride=4, size=20)
    actual = tiny_classifier.scores([TextPair(long_text, "x y z")], windows=windows)[0]
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_a_pair_that_fits_is_its_own_window_whatever_the_stride(tiny_classifier: Classifier, long_text: str) -> None:
    pairs = [TextPair("a b", " ".join(long_text.split()[:57])), TextPair("", " ".join(long_text.split()[:61]))]
    assert tiny_classifier.predict(pairs, windows=Windows(stride=40)) == tiny_classifier.predict(pairs)
    (first,) = tiny_classifier.predict(
        [TextPair("a b c d e", pairs[0].second)], windows=Windows(stride=40, combine="first")
    )
    assert first.truncated


def test_logits_and_embeddings_have_windows_too(tiny_classifier: Classifier, tiny: Path, long_text: str) -> None:
    windows = Windows(stride=5)
    texts = slow_windows(long_text.split(), tiny_classifier.manifest.max_tokens - 2, 5)
    np.testing.assert_allclose(
        tiny_classifier.logits([long_text], windows=windows)[0], tiny_classifier.logits(texts).mean(0), atol=1e-5
    )
    encoder = Encoder.load(tiny, precision="fp32")
    vectors = encoder.embed(texts, normalize=False)
    np.testing.assert_allclose(
        encoder.embed([long_text], normalize=False, windows=windows)[0], vectors.mean(0), atol=1e-5
    )
    assert encoder.truncated([long_text]).tolist() == [True]
    assert encoder.truncated([long_text], windows=windows).tolist() == [False]
    answer = encoder.answer([long_text, "a"], windows=windows)
    assert (answer.windows.tolist(), answer.truncated.tolist()) == ([len(texts), 1], [False, False])
    assert encoder.answer([long_text, "a"]).truncated.tolist() == [True, False]


def test_a_text_that_fits_is_its_own_window(tiny_classifier: Classifier, sentences: list[str]) -> None:
    texts = [text for text, cut in zip(sentences, tiny_classifier.predict(sentences), strict=True) if not cut.truncated]
    assert tiny_classifier.predict(texts, windows=Windows()) == tiny_classifier.predict(texts)


def test_no_texts_have_no_windows(tiny_classifier: Classifier) -> None:
    assert tiny_classifier.predict([], windows=Windows()) == []
    assert tiny_classifier.scores([], windows=Windows()).shape == (0, 3)


BAD: dict[str, tuple[Callable[[Classifier, Encoder], Any], str]] = {
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
        lambda c, _: c.predict(["x", TextPair("a", "b " * 208)], windows=Windows()),
        r"texts\[1\].second: every window holds it. With special tokens it takes 211 of 64 tokens, which leaves the "
        "first text 0",
    ),
    "windows of a number": (
        lambda c, _: c.predict(["x"], windows=64),
        r"windows: expected Windows\(.*\) or None, got 64",
    ),
    "vectors of windows of a number": (
        lambda _, e: e.embed(["x"], windows=True),
        "windows: expected Windows.*, got True",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_every_bad_argument_has_an_error_of_its_own(
    tiny_classifier: Classifier, tiny_encoder: Encoder, name: str
) -> None:
    call, message = BAD[name]
    with pytest.raises(InputError, match=message):
        call(tiny_classifier, tiny_encoder)
