"""TokenClassifier: spans of the tiny tagger, whose weights are random, so that what it says means nothing."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, Encoder, TextPair, TokenClassifier
from torchless.answers.numerics import softmax
from torchless.errors import IncompatibleError, InputError

ODD = [
    "",
    " ",
    "\n\n the  quick\tfox ",
    "a \U0001f600 b \U0001f468\u200d\U0001f469\u200d\U0001f467 c",
    "cafe\u0301 nai\u0308ve",
    "\u05e9\u05dc\u05d5\u05dd a",
    "\u7d20\u6674\u3089\u3057\u3044 b",
    "\ufeffx [SEP] y",
    "I am a man in a boat.",
]


@pytest.fixture(scope="module", params=["fp32", "int8"])
def tagger(tiny_tagger: Path, request: pytest.FixtureRequest) -> TokenClassifier:
    return TokenClassifier.load(tiny_tagger, precision=request.param)


def test_spans_are_parts_of_the_text_in_order(tagger: TokenClassifier) -> None:
    for text, spans in zip(ODD, tagger.tag(ODD, ignore_labels=()), strict=True):
        places = [(span.start, span.end) for span in spans]
        assert places == sorted(places)
        assert all(0 <= start < end <= len(text) and text[start:end].strip() for start, end in places)
        assert all(0 < span.score <= 1 for span in spans)


def test_a_token_s_span_says_what_the_scores_say(tagger: TokenClassifier) -> None:
    (spans,) = tagger.tag(["a man in a boat"], aggregation="none", ignore_labels=())
    (scores,) = tagger.scores(["a man in a boat"])
    assert [span.label for span in spans] == [tagger.labels[best] for best in scores[1:-1].argmax(axis=1)]
    np.testing.assert_allclose([span.score for span in spans], scores[1:-1].max(axis=1), rtol=1e-6)


def test_logits_are_of_every_token_special_ones_included(tagger: TokenClassifier) -> None:
    texts = ["a b", "", "a b c d"]
    logits = tagger.logits(texts)
    assert [rows.shape for rows in logits] == [(4, 5), (2, 5), (6, 5)]
    assert all(rows.dtype == np.float32 for rows in logits)
    for rows, scores in zip(logits, tagger.scores(texts), strict=True):
        np.testing.assert_array_equal(scores, softmax(rows))
    assert tagger.logits([]) == tagger.tag([]) == tagger.tag_words([]) == []


def test_a_text_s_spans_do_not_depend_on_its_neighbours(tagger: TokenClassifier, sentences: list[str]) -> None:
    texts = [*ODD, *sentences[:40]]
    together = tagger.logits(texts)
    differences = [
        float(np.abs(tagger.logits([text])[0] - rows).max()) for text, rows in zip(texts, together, strict=True)
    ]
    assert max(differences) < (2e-6 if tagger.precision == "fp32" else 1e-4) * max(
        float(np.abs(rows).max()) for rows in together
    )
    places = [[(span.label, span.start, span.end) for span in spans] for spans in tagger.tag(texts)]
    alone = [[(span.label, span.start, span.end) for span in tagger.tag([text])[0]] for text in texts]
    assert alone == places


def test_a_long_text_is_read_whole(tagger: TokenClassifier, long_text: str) -> None:
    (answer,) = tagger.answer([long_text], aggregation="none", ignore_labels=())
    assert (answer.windows, answer.truncated) == (5, False)
    assert [(span.start, span.end) for span in answer.spans] == [(2 * i, 2 * i + 1) for i in range(208)]


def test_a_long_text_is_cut_on_demand_and_says_so(tagger: TokenClassifier, long_text: str) -> None:
    cut, whole = tagger.answer([long_text, "a"], truncate=True, aggregation="none", ignore_labels=())
    assert (cut.truncated, cut.windows, len(cut.spans), whole.truncated) == (True, 1, 62, False)
    assert tagger.truncated([long_text, "a"]).tolist() == [True, False]
    assert (
        tagger.limited(12).answer([long_text], truncate=True, aggregation="none", ignore_labels=())[0].spans[-1].end
        == 19
    )


def test_a_span_is_whole_where_two_windows_meet(tiny_tagger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every token is given the label that goes on, in every window: one span comes out, over the whole text."""
    tagger = TokenClassifier.load(tiny_tagger, threads=1)  # more would take batches side by side in another session
    monkeypatch.setattr(
        tagger.session, "run", lambda batch: np.eye(5, dtype=np.float32)[np.full(len(batch.input_ids), 2)] * 9
    )
    text = "ab " * 150
    for stride in (None, 0, 10, 61):
        (spans,) = tagger.tag([text], stride=stride)
        assert [(span.label, span.start, span.end) for span in spans] == [("PER", 0, len(text) - 1)]


def test_the_middle_of_windows_decides(tagger: TokenClassifier, long_text: str) -> None:
    """The same text alone: a token's scores are those of the window that sees it best."""
    (spans,) = tagger.tag([long_text], aggregation="none", ignore_labels=(), stride=20)
    first = tagger.tag([" ".join(long_text.split()[:62])], aggregation="none", ignore_labels=())[0]
    np.testing.assert_allclose([s.score for s in spans[:52]], [s.score for s in first[:52]], atol=1e-3)
    assert [s.label for s in spans[:52]] == [s.label for s in first[:52]]


def test_words_have_their_places(tagger: TokenClassifier) -> None:
    words = ["quick", "", "\U0001f600", "man,", "a b"]
    (spans,) = tagger.tag_words([words], aggregation="none", ignore_labels=())
    text = " ".join(words)
    for span in spans:
        assert span.words is not None
        first, end = span.words
        assert end == first + 1
        assert text[span.start : span.end] in words[first]
        assert sum(len(word) + 1 for word in words[:first]) <= span.start
    assert [span.words for span in spans if text[span.start : span.end] == "b"] == [(4, 5)]
    (spaced,) = tagger.tag_words([words], aggregation="none", ignore_labels=(), delimiter="--")
    assert [s.start - p.start for s, p in zip(spaced, spans, strict=True)] == [p.words[0] for p in spans if p.words]


def test_lists_of_words_are_tokenised_in_pieces(tagger: TokenClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    of = TokenClassifier.logits_of
    monkeypatch.setattr(
        TokenClassifier, "logits_of", lambda model, batch: sizes.append(len(batch.lengths)) or of(model, batch)
    )
    texts = [["a", "man", str(place)] for place in range(1100)]
    answers = tagger.tag_words(texts, ignore_labels=())
    assert max(sizes) <= 1024 < sum(sizes) == len(answers) == 1100
    assert [span.word for span in answers[-1]] == [
        span.word for span in tagger.tag_words(texts[-1:], ignore_labels=())[0]
    ]


def test_words_of_a_long_text_keep_their_places(tagger: TokenClassifier, long_text: str) -> None:
    (spans,) = tagger.tag_words([long_text.split()], aggregation="none", ignore_labels=())
    assert [span.words for span in spans] == [(place, place + 1) for place in range(208)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda tagger: tagger.tag("a"), r"texts: expected a list of str, got a bare str. Pass \[text\]"),
        (lambda tagger: tagger.tag([1]), r"texts\[0\]: expected str, got int"),
        (lambda tagger: tagger.tag([TextPair("a", "b")]), r"texts\[0\]: this model takes single texts"),
        (lambda tagger: tagger.tag(["\ud800"]), r"texts\[0\]: lone surrogate"),
        (lambda tagger: tagger.tag(["a"], aggregation="best"), "aggregation: expected one of none, simple, first"),
        (lambda tagger: tagger.tag(["a"], ignore_labels="O"), "ignore_labels: expected a list of str"),
        (lambda tagger: tagger.tag(["a"], stride=62), "stride: expected less than the 62 tokens of a text"),
        (lambda tagger: tagger.limited(2).tag(["a"]), "max_tokens: expected more than the 2 special tokens"),
        (lambda tagger: tagger.tag(["a"], stride=-1), "stride: expected a whole number of 0 or more"),
        (lambda tagger: tagger.tag(["a"], truncate="yes"), "truncate: expected True or False"),
        (lambda tagger: tagger.tag_words(["a b"]), r"texts\[0\]: expected a list of words, got str"),
        (lambda tagger: tagger.tag_words("a b"), "texts: expected a list of lists of words, got str"),
        (lambda tagger: tagger.tag_words([["a", None]]), r"texts\[0\]\[1\]: expected a word as str, got NoneType"),
        (lambda tagger: tagger.tag_words([["a"]], delimiter=1), "delimiter: expected a str, got 1"),
    ],
)
def test_a_bad_call_says_what_is_wrong(tiny_tagger: Path, call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(TokenClassifier.load(tiny_tagger))


def test_the_wrong_class_names_the_right_one(tiny: Path, tiny_tagger: Path) -> None:
    with pytest.raises(IncompatibleError, match=r"labels tokens, not whole texts. Load it with TokenClassifier.load\("):
        Classifier.load(tiny_tagger)
    with pytest.raises(IncompatibleError, match=r"labels whole texts, not tokens. Load it with Classifier.load\("):
        TokenClassifier.load(tiny)
    assert Encoder.load(tiny_tagger).embed(["a"]).shape == (1, 32)


def test_a_tagger_crosses_processes(tagger: TokenClassifier) -> None:
    again = pickle.loads(pickle.dumps(tagger))
    assert again.tag(ODD) == tagger.tag(ODD)
