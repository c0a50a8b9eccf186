"""Documents ranked by a query, and scores of pairs."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, Encoder, Ranked, Reranker, TextPair, ZeroShotClassifier
from torchless.answers.documents import ranked_documents
from torchless.errors import IncompatibleError, InferenceError, InputError
from torchless.inputs.assembly import Assembler

QUERY = "how was the film"
DOCUMENTS = [
    "the film was good",
    "",
    "naïve café ☕ 你好",
    "שלום עולם",
    "a  double\n\nblank",
    "never again " * 60,
    "e\u0301",
]


@pytest.fixture(scope="module")
def reranker(tiny_ranker: Path) -> Reranker:
    return Reranker.load(tiny_ranker, precision="fp32")


def test_documents_are_ranked_by_the_score_of_their_pair(reranker: Reranker) -> None:
    scores = reranker.score([(QUERY, document) for document in DOCUMENTS])
    ranked = reranker.rank(QUERY, DOCUMENTS)
    assert [each.index for each in ranked] == sorted(range(len(DOCUMENTS)), key=lambda index: -scores[index])
    assert [each.score for each in ranked] == pytest.approx(sorted(scores, reverse=True), abs=1e-6)
    assert [each.index for each in ranked if each.truncated] == [5]


@pytest.mark.parametrize("top_k", [1, 3, 7, 100, np.int64(2), None])
def test_top_k_takes_the_best_and_all_of_fewer(reranker: Reranker, top_k: Any) -> None:
    assert reranker.rank(QUERY, DOCUMENTS, top_k) == reranker.rank(QUERY, DOCUMENTS)[:top_k]
    assert reranker.rank(QUERY, DOCUMENTS, top_k=top_k) == reranker.rank(QUERY, DOCUMENTS, top_k)


def test_no_documents_are_an_empty_list(reranker: Reranker) -> None:
    assert reranker.rank(QUERY, []) == reranker.rank(QUERY, iter(())) == reranker.rank(QUERY, [], 3) == []
    assert (reranker.score([]).shape, reranker.score([]).dtype) == ((0,), np.float32)


def test_documents_are_read_once_from_any_iterable(reranker: Reranker) -> None:
    expected = reranker.rank(QUERY, DOCUMENTS)
    assert reranker.rank(QUERY, iter(DOCUMENTS)) == reranker.rank(QUERY, tuple(DOCUMENTS)) == expected
    assert reranker.rank(QUERY, np.array(DOCUMENTS)) == expected


def test_equal_documents_keep_their_order(reranker: Reranker) -> None:
    ranked = reranker.rank(QUERY, ["same", "the film was good", "same", "same"])
    assert [each.index for each in ranked if each.index != 1] == [0, 2, 3]
    assert ranked_documents(np.zeros(3, np.float32), [False] * 3, 2) == [Ranked(0, 0.0), Ranked(1, 0.0)]


def test_pairs_come_in_several_forms(reranker: Reranker) -> None:
    pairs: list[Any] = [(QUERY, "a"), [QUERY, "b"], TextPair(QUERY, "c"), np.array([QUERY, "d"])]
    expected = [reranker.score([TextPair(QUERY, letter)])[0] for letter in "abcd"]
    np.testing.assert_allclose(reranker.score(pair for pair in pairs), expected, atol=1e-6)


def test_the_activation_is_that_of_a_cross_encoder_and_can_be_chosen(reranker: Reranker, tiny_ranker: Path) -> None:
    pairs = [TextPair(QUERY, document) for document in DOCUMENTS]
    classifier = Classifier.load(tiny_ranker, precision="fp32")
    logits = classifier.logits(pairs)[:, 0]
    np.testing.assert_array_equal(classifier.scores(pairs)[:, 0], logits)  # a regression in transformers' pipeline
    np.testing.assert_allclose(reranker.score(pairs), 1 / (1 + np.exp(-logits)), atol=1e-6)
    np.testing.assert_array_equal(reranker.score(pairs, activation="none"), logits)
    raw = reranker.rank(QUERY, DOCUMENTS, activation="none")
    assert [each.score for each in raw] == sorted(logits.tolist(), reverse=True)


def test_a_query_is_tokenised_once(reranker: Reranker, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    tokens = Assembler._tokens

    def count(self: Assembler, texts: Any) -> Any:
        listed = list(texts)
        seen.extend(listed)
        return tokens(self, listed)

    reranker.rank(QUERY, DOCUMENTS)
    monkeypatch.setattr(Assembler, "_tokens", count)
    reranker.rank(QUERY, DOCUMENTS)
    assert seen == [QUERY, *DOCUMENTS]


@pytest.mark.parametrize("query", [QUERY, "how was it " * 40, "é"])
def test_ids_are_those_of_each_pair_encoded_by_itself(reranker: Reranker, tiny_ranker: Path, query: str) -> None:
    import tokenizers

    plain = tokenizers.Tokenizer.from_file(str(tiny_ranker / "tokenizer.json"))
    plain.enable_truncation(reranker.manifest.max_tokens, strategy="longest_first")
    documents = [*DOCUMENTS, "odd one " * 31, "a"]
    batch = Classifier.load(tiny_ranker).tokenizer.encode([TextPair(query, document) for document in documents])
    for index, document in enumerate(documents):
        expected, span = plain.encode(query, document), slice(*batch.offsets[index : index + 2])
        assert batch.input_ids[span].tolist() == expected.ids
        assert batch.type_ids[span].tolist() == expected.type_ids


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-6), ("int8", 1e-3)])
def test_a_score_does_not_depend_on_the_other_documents(
    tiny_ranker: Path, sentences: list[str], precision: str, tolerance: float
) -> None:
    model = Reranker.load(tiny_ranker, precision=precision)
    documents = [*sentences[:60], *DOCUMENTS]
    together = {each.index: each.score for each in model.rank(QUERY, documents)}
    shuffled = np.random.default_rng(0).permutation(len(documents)).tolist()
    other = {shuffled[each.index]: each.score for each in model.rank(QUERY, [documents[i] for i in shuffled])}
    for index, document in enumerate(documents):
        (alone,) = model.rank(QUERY, [document])
        assert [together[index], other[index]] == pytest.approx([alone.score] * 2, abs=tolerance)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("", ["a"]), r"query: expected a str that is not blank, got ''"),
        ((" \n", ["a"]), r"query: expected a str that is not blank"),
        ((None, ["a"]), r"query: expected a str that is not blank, got None"),
        ((["a"], ["a"]), r"query: expected a str that is not blank, got \['a'\]"),
        (("\ud800", ["a"]), r"query: lone surrogate U\+D800"),
        ((QUERY, "a"), r"documents: expected a list of str, got a bare str. Pass \[document\]"),
        ((QUERY, b"a"), r"documents: expected a list of str, got a bare bytes"),
        ((QUERY, {"a": "b"}), r"documents: expected a list of str, got dict"),
        ((QUERY, {"a"}), r"documents: expected a list of str, got set"),
        ((QUERY, None), r"documents: expected a list of str, got NoneType"),
        ((QUERY, 5), r"documents: expected a list of str, got int"),
        ((QUERY, ["a", None]), r"documents\[1\]: expected str, got None"),
        ((QUERY, [("a", "b")]), r"documents\[0\]: expected str, got \('a', 'b'\)"),
        ((QUERY, ["\udfff"]), r"documents\[0\]: lone surrogate U\+DFFF"),
        ((QUERY, ["a"], 0), r"top_k: expected a whole number of 1 or more, or None for all, got 0"),
        ((QUERY, ["a"], -1), r"top_k: expected"),
        ((QUERY, ["a"], True), r"top_k: expected"),
        ((QUERY, ["a"], 1.5), r"top_k: expected"),
        ((QUERY, [], 0), r"top_k: expected"),
    ],
)
def test_each_bad_argument_of_rank_has_its_own_error(reranker: Reranker, arguments: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        reranker.rank(*arguments)


@pytest.mark.parametrize(
    ("pairs", "complaint"),
    [
        ("ab", r"pairs: expected a list of pairs, got a bare str. Pass \[\(first, second\)\]"),
        (TextPair("a", "b"), "pairs: expected a list of pairs, got a bare TextPair"),
        (("a", "b"), r"pairs\[0\]: expected a TextPair, or two str in a tuple or list, got 'a'"),
        (["ab", "cd"], r"pairs\[0\]: expected a TextPair, or two str in a tuple or list, got 'ab'"),
        ([("a", "b"), ("a", "b", "c")], r"pairs\[1\]: expected a TextPair"),
        ([("a",)], r"pairs\[0\]: expected a TextPair"),
        ([("a", None)], r"pairs\[0\]\.second: expected str, got NoneType"),
        ([(b"a", "b")], r"pairs\[0\]\.first: expected str, got bytes"),
        ([TextPair("a", "\ud800")], r"pairs\[0\]\.second: lone surrogate"),
        ([{"a": 1, "b": 2}], r"pairs\[0\]: expected a TextPair"),
        ([{"a", "b"}], r"pairs\[0\]: expected a TextPair"),
        ([None], r"pairs\[0\]: expected a TextPair, or two str in a tuple or list, got None"),
        ({"a": "b"}, r"pairs: expected a list of pairs, got dict"),
        (None, r"pairs: expected a list of pairs, got NoneType"),
    ],
)
def test_each_bad_pair_has_its_own_error(reranker: Reranker, pairs: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        reranker.score(pairs)


def test_an_unknown_activation_is_refused(reranker: Reranker) -> None:
    with pytest.raises(InputError, match="activation: expected one of"):
        reranker.rank(QUERY, DOCUMENTS, activation="relu")  # type: ignore[arg-type]


def test_a_model_of_several_outputs_scores_and_does_not_rank(tiny: Path) -> None:
    several = Reranker.load(tiny, precision="fp32")
    pairs = [TextPair("a", "b"), TextPair("c", "d")]
    expected = Classifier.load(tiny, precision="fp32").scores(pairs)  # the bundle states no other activation
    np.testing.assert_array_equal(several.score(pairs), expected)
    assert several.score([]).shape == (0, 3)
    with pytest.raises(IncompatibleError, match=r"has 3 outputs, negative, neutral, positive, .* model with one"):
        several.rank("a", ["b"])


def test_a_model_of_single_texts_is_refused(mini: Path) -> None:
    with pytest.raises(IncompatibleError, match=r"sst2-mini reads single texts\. Ranking needs"):
        Reranker.load(mini)


def test_what_is_no_classifier_is_refused(tiny_ranker: Path) -> None:
    for other in ("x", None, 5, Encoder.load(tiny_ranker), Classifier):
        with pytest.raises(InputError, match=r"classifier: expected Classifier.load\(…\), got"):
            Reranker(other)  # type: ignore[arg-type]
        with pytest.raises(InputError, match=r"classifier: expected Classifier.load\(…\), got"):
            ZeroShotClassifier(other)  # type: ignore[arg-type]


def test_an_answer_of_nan_is_an_error(reranker: Reranker, monkeypatch: pytest.MonkeyPatch) -> None:
    session = reranker._classifier.session
    monkeypatch.setattr(session, "run", lambda batch: np.full((len(batch.lengths), 1), np.nan, np.float32))
    with pytest.raises(InferenceError, match="NaN or infinity"):
        reranker.rank(QUERY, DOCUMENTS)


def test_a_reranker_can_be_pickled(reranker: Reranker) -> None:
    copy: Reranker = pickle.loads(pickle.dumps(reranker))
    assert copy.rank(QUERY, DOCUMENTS) == reranker.rank(QUERY, DOCUMENTS)


def test_an_unknown_activation_in_a_manifest_is_refused(tiny_copy: Path, rewrite: Callable[..., None]) -> None:
    rewrite(lambda fields: fields.update(reranker_activation="relu"))
    with pytest.raises(ValueError, match="reranker_activation: expected one of softmax, sigmoid, none, got 'relu'"):
        Reranker.load(tiny_copy)


def test_a_reranker_embeds_only_where_the_pooling_is_named(tiny_ranker: Path) -> None:
    encoder = Encoder.load(tiny_ranker)
    with pytest.raises(IncompatibleError, match=r'ranks documents.*Rank with Reranker.*pooling="mean"'):
        encoder.embed(["a"])
    assert encoder.embed(["a"], pooling="mean").shape == (1, encoder.manifest.hidden_size)
    assert len(encoder.hidden_states(["a"])) == 1
