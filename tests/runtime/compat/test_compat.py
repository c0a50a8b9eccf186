"""`torchless.compat` where there is no transformers: what it refuses, and where it is more careful than that."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchless import Classifier, Encoder
from torchless.compat import pipeline
from torchless.compat.zero_shot_classification import _order
from torchless.errors import BundleNotFoundError, IncompatibleError, InputError

LETTERS = "abcdefghijklmnopqrstuvwxyz" * 8
FULL, LONG = " ".join(LETTERS[:62]), " ".join(LETTERS)  # the limit is 64 tokens, special ones included


@pytest.fixture(scope="module")
def classify(tiny: Path) -> Any:
    return pipeline("text-classification", model=tiny)


@pytest.fixture(scope="module")
def extract(tiny: Path) -> Any:
    return pipeline("feature-extraction", model=str(tiny))


@pytest.fixture(scope="module")
def choose(tiny: Path) -> Any:
    with pytest.warns(UserWarning, match="None of the labels negative, neutral, positive begins with 'entail'"):
        return pipeline("zero-shot-classification", model=tiny)


def test_a_pipeline_answers_what_its_model_answers(tiny: Path, classify: Any, extract: Any) -> None:
    classifier, encoder = Classifier.load(tiny), Encoder.load(tiny)
    (best,) = classifier.predict(["good"])
    assert classify("good") == [{"label": best.label, "score": best.score}]
    assert (classify.task, type(classify.model)) == ("text-classification", Classifier)
    assert extract("good") == [encoder.hidden_states(["good"])[0].tolist()]
    np.testing.assert_array_equal(extract("good", return_tensors=True)[0], encoder.hidden_states(["good"])[0])


def test_the_task_is_what_the_bundle_was_made_for(tiny: Path, tiny_copy: Path, rewrite: Callable[..., None]) -> None:
    assert pipeline(model=tiny).task == "text-classification"
    assert pipeline(model=Classifier.load(tiny)).task == "text-classification"
    assert pipeline(model=Encoder.load(tiny)).task == "feature-extraction"

    def behead(fields: dict[str, Any]) -> None:
        fields.update(labels=[], activation="none")
        for variant in fields["variants"].values():
            variant["classifier"] = None

    rewrite(behead)
    assert pipeline(model=tiny_copy).task == "feature-extraction"
    with pytest.raises(IncompatibleError, match="no classification head"):
        pipeline("text-classification", model=tiny_copy)


def test_the_other_name_of_a_task_is_kept(tiny: Path) -> None:
    assert pipeline("sentiment-analysis", tiny).task == "sentiment-analysis"


def test_an_unknown_task_is_refused_with_those_that_there_are(tiny: Path) -> None:
    known = "feature-extraction, sentiment-analysis, text-classification, zero-shot-classification"
    with pytest.raises(InputError, match=f"task: expected one of {known}, got 'summarization'"):
        pipeline("summarization", model=tiny)


def test_there_is_no_default_model() -> None:
    with pytest.raises(InputError, match="There is no default model"):
        pipeline("text-classification")


def test_a_model_is_a_bundle_or_loaded_already(tiny: Path) -> None:
    with pytest.raises(InputError, match="model: expected a bundle, a Classifier or an Encoder, got int"):
        pipeline("text-classification", model=3)  # type: ignore[call-overload]
    with pytest.raises(InputError, match=r"takes a bundle or Encoder.load\(…\), got Classifier"):
        pipeline("feature-extraction", model=Classifier.load(tiny))
    with pytest.raises(InputError, match=r"device: the model is loaded already, got 'cpu'. Say it to Classifier.load"):
        pipeline(model=Classifier.load(tiny), device="cpu")
    with pytest.raises(BundleNotFoundError):
        pipeline("text-classification", model=tiny / "nowhere")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"device": "cpu", "precision": "auto"}),
        ({"device": -1}, {"device": "cpu"}),
        ({"device": "cpu"}, {"device": "cpu"}),
        ({"device": 0}, {"device": "cuda"}),
        ({"device": "cuda"}, {"device": "cuda"}),
        ({"device": "cuda:0"}, {"device": "cuda"}),
        ({"dtype": "auto"}, {"precision": "auto"}),
        ({"dtype": "float32"}, {"precision": "fp32"}),
        ({"dtype": "torch.float16"}, {"precision": "fp16"}),
        ({"torch_dtype": "torch.float32"}, {"precision": "fp32"}),
        ({"revision": "v1"}, {"revision": "v1"}),
    ],
)
def test_settings_reach_the_model(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], expected: dict[str, Any]
) -> None:
    classifier, got = Classifier.load(tiny), {}

    def load(path: Any, **given: Any) -> Classifier:
        got.update(given, path=path)
        return classifier

    monkeypatch.setattr(Classifier, "load", load)
    pipeline("text-classification", model="org/name", **settings)
    assert got == got | expected | {"path": "org/name"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"device": 1},
            "device: expected -1 or 'cpu', 0 or 'cuda', got 1. Choose among GPUs with CUDA_VISIBLE_DEVICES",
        ),
        ({"device": "mps"}, "device: expected"),
        ({"device": True}, "device: expected"),
        ({"torch_dtype": "bfloat16"}, "dtype: expected 'auto', 'float32' or 'float16', got 'bfloat16'"),
        ({"framework": "tf"}, "framework: expected None or 'pt', got 'tf'"),
        ({"tokenizer": "another"}, "tokenizer: expected None, got 'another'. A bundle has its own"),
        ({"config": "another"}, "config: expected None"),
        ({"use_fast": False}, "use_fast: expected None or True, got False"),
        ({"token": "hf_x"}, "Set HF_TOKEN"),
        ({"model_kwargs": {"x": 1}}, "model_kwargs: expected None or {}"),
        ({"device_map": "auto"}, "Use device"),
        ({"revision": "v1"}, "revision"),
        ({"foo": 1}, "foo: text-classification takes top_k, function_to_apply"),
        ({"batch_size": 0}, "batch_size: expected a whole number of 1 or more, got 0"),
        ({"top_k": "all"}, "top_k: expected a whole number, or None"),
        ({"truncation": "middle"}, "truncation: expected one of"),
    ],
)
def test_a_setting_that_would_change_the_answers_is_refused(tiny: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        pipeline("text-classification", model=tiny, **settings)
    assert message in str(caught.value)


def test_settings_that_leave_the_answers_alone_are_taken(tiny: Path, classify: Any) -> None:
    settings: dict[str, Any] = {"framework": "pt", "num_workers": 4, "trust_remote_code": True, "model_kwargs": {}}
    assert pipeline("text-classification", tiny, tokenizer=str(tiny), **settings)("good") == classify("good")


@pytest.mark.parametrize(
    ("inputs", "parameters", "message"),
    [
        (
            ("good", "bad"),
            {},
            "inputs[0]: expected a str, or a dict of two str {'text': …, 'text_pair': …}, got a tuple",
        ),
        (["good", ("good", "bad")], {}, "inputs[1]: expected a str"),
        ({"text": ["good"]}, {}, "got a dict with 'text': list"),
        ({"text": "good", "pair": "bad"}, {}, "got a dict with 'text': str, 'pair': str"),
        ({"text": "good", "text_pair": "bad"}, {"text_pair": "x"}, "has a text_pair of its own"),
        ("good", {"foo": 1}, "foo: text-classification takes top_k"),
        ("good", {"candidate_labels": ["a"]}, "candidate_labels: text-classification takes"),
        ("good", {"top_k": 1.0}, "top_k: expected a whole number, or None for all labels, got 1.0"),
        ("good", {"function_to_apply": "default"}, "function_to_apply: expected one of softmax, sigmoid, none or None"),
        ("good", {"add_special_tokens": False}, "add_special_tokens: expected True"),
        ("good", {"truncation": "only_second"}, "truncation: expected one of True, 'longest_first', 'only_first'"),
        ("good", {"truncation": True, "max_length": 0}, "max_length: expected a whole number of 1 or more, or None"),
        ("good", {"truncation": True, "max_length": 1}, "max_tokens: expected 2 or more, the special tokens of a text"),
    ],
)
def test_a_call_that_is_not_understood_is_refused(
    classify: Any, inputs: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        classify(inputs, **parameters)
    assert message in str(caught.value)


def test_a_model_that_reads_no_pairs_says_so(mini: Path) -> None:
    with pytest.raises(InputError, match="this model takes single texts"):
        pipeline("text-classification", mini)({"text": "good", "text_pair": "bad"})
    with pytest.raises(IncompatibleError, match="reads single texts"), pytest.warns(UserWarning, match="entail"):
        pipeline("zero-shot-classification", mini)


@pytest.mark.parametrize("pipe", ["classify", "extract"])
def test_a_text_beyond_the_limit_is_cut_with_a_warning(pipe: str, request: pytest.FixtureRequest) -> None:
    pipe = request.getfixturevalue(pipe)
    expected = pipe(["a", LONG], truncation=True)
    with pytest.warns(UserWarning, match=r"inputs\[1\] is longer than the 64 tokens that the model takes") as caught:
        assert pipe(["a", LONG]) == expected
    assert caught[0].filename == __file__
    for truncation in (None, False):
        pipe(FULL, truncation=truncation)  # the longest that is whole


@pytest.mark.parametrize("pipe", ["classify", "extract"])
def test_a_text_beyond_the_limit_that_may_not_be_cut_is_refused(pipe: str, request: pytest.FixtureRequest) -> None:
    pipe = request.getfixturevalue(pipe)
    with pytest.raises(InputError, match=r"inputs\[1\] is longer than the 64 tokens.* Pass truncation=True"):
        pipe(["a", LONG], truncation=False)


def test_a_max_length_beyond_the_limit_is_no_reason_to_cut_at_the_limit(classify: Any) -> None:
    assert classify("good", truncation=True, max_length=512) == classify("good")
    with pytest.raises(InputError, match="longer than the 64 tokens"):
        classify(LONG, truncation=True, max_length=512)


def test_old_arguments_are_understood_with_a_warning(classify: Any, choose: Any) -> None:
    with pytest.warns(UserWarning, match="return_all_scores is deprecated: use top_k=None") as caught:
        ((*entries,),) = classify("good", return_all_scores=True)
    assert caught[0].filename == __file__
    assert [entry["label"] for entry in entries] == ["negative", "neutral", "positive"]
    with pytest.warns(UserWarning, match="it is called multi_label now"):
        assert choose("good", ["a", "b"], multi_class=True) == choose("good", ["a", "b"], multi_label=True)


def test_an_empty_list_has_an_empty_answer(classify: Any, choose: Any, extract: Any) -> None:
    assert classify([]) == extract([]) == choose([], ["a", "b"]) == []
    assert list(classify(text for text in ())) == []


def test_a_generator_is_read_in_batches_as_its_outputs_are_asked_for(classify: Any) -> None:
    read = []

    def texts() -> Iterator[str]:
        for text in ("a", "b", "c", "d"):
            read.append(text)
            yield text

    outputs = classify(texts(), batch_size=3, top_k=1)
    assert read == []
    assert next(outputs) == classify("a", top_k=1)
    assert read == ["a", "b", "c"]
    assert len(list(outputs)) == 3
    with pytest.raises(InputError, match="foo"):
        classify(texts(), foo=1)  # at once, and not when the first output is asked for


@pytest.mark.parametrize(
    ("sequences", "parameters", "message"),
    [
        ("", {"candidate_labels": "a"}, "sequences[0]: expected a str that is not empty, got ''"),
        (["a", 3], {"candidate_labels": "a"}, "sequences[1]: expected a str that is not empty, got 3"),
        (("a", "b"), {"candidate_labels": "a"}, "sequences[0]: expected a str that is not empty"),
        ("a", {}, "candidate_labels: expected a list, or a str with commas, got NoneType"),
        ("a", {"candidate_labels": {"b"}}, "candidate_labels: expected a list"),
        ("a", {"candidate_labels": [None]}, "candidate_labels[0]: expected a str, got None"),
        ("a", {"candidate_labels": "b", "truncation": False}, "truncation: expected True: the text alone is cut"),
        ("a", {"candidate_labels": "b", "top_k": 1}, "top_k: zero-shot-classification takes candidate_labels"),
    ],
)
def test_a_zero_shot_call_that_is_not_understood_is_refused(
    choose: Any, sequences: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        choose(sequences, **parameters)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "parameters", "message"),
    [
        ([["a", "b"]], {}, "inputs[0]: expected a str, got list"),
        ("a", {"max_length": 8}, "max_length: feature-extraction takes truncation, tokenize_kwargs, return_tensors"),
        ("a", {"max_length": 8}, "The tokenizer's go into tokenize_kwargs"),
        ("a", {"tokenize_kwargs": {"foo": 1}}, "foo: tokenize_kwargs takes truncation, max_length"),
        ("a", {"tokenize_kwargs": {"padding": "max_length"}}, "there are no states of padding"),
        ("a", {"truncation": True, "tokenize_kwargs": {"truncation": True}}, "truncation: given twice"),
    ],
)
def test_a_call_for_features_that_is_not_understood_is_refused(
    extract: Any, inputs: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        extract(inputs, **parameters)
    assert message in str(caught.value)


def test_features_do_not_depend_on_the_batch(extract: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone, together = extract("a"), extract(["a", FULL], batch_size=2)[0]
    assert np.shape(alone) == np.shape(together) == (1, 3, 32)
    np.testing.assert_allclose(alone, together, atol=1e-6)


def test_noise_between_equal_scores_leaves_their_order_alone() -> None:
    equal = np.repeat(np.array([0.35, 0.1, 0.35, 0.05], np.float32), 6)
    noise = np.linspace(1, 1 + 2e-6, len(equal), dtype=np.float32)
    expected = list(reversed(equal.argsort().tolist()))  # transformers' own words
    assert _order(equal) == _order(equal * noise) == expected
    assert _order(np.array([3e-6, 1e-6, 0.5], np.float32)) == [2, 0, 1]
