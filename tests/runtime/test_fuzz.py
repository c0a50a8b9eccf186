"""Whatever is handed to the public API, it answers or raises an error of ours. Examples are new in every run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchless import (
    Bundle,
    Classifier,
    Encoder,
    Manifest,
    Reranker,
    TextPair,
    TokenClassifier,
    TorchlessError,
    Windows,
    ZeroShotClassifier,
    verify,
)
from torchless.bundle.fields import parse
from torchless.bundle.golden import Golden
from torchless.compat import pipeline
from torchless.package import package
from torchless.push import push

ROOT = Path(__file__).parents[2]
TINY, TINY_TAGGER = (ROOT / "tests" / "data" / name for name in ("tiny", "tiny-tagger"))
LABELS = ("negative", "neutral", "positive")
# Examples of each test: together they take about twenty seconds on two cores.
FEW, MANY = 60, 300
# The same cases in every run, so that no change is refused for what it did not do. FUZZ_RANDOM=1 looks for new ones.
quick = settings(
    derandomize="FUZZ_RANDOM" not in os.environ, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


class Rude:
    """An object that raises wherever Python asks it something."""

    def _refuse(self, *_: Any) -> Any:
        raise ArithmeticError("no")

    __repr__ = __str__ = __bool__ = __index__ = __int__ = __float__ = __format__ = __fspath__ = _refuse
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = None  # type: ignore[assignment]


class RudePath(os.PathLike[str]):
    def __fspath__(self) -> str:
        raise ArithmeticError("no")


ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 63, 64, 65, 2**31, 2**63, 10**400, 10**5000, -(10**400), 0.5, -0.0, 1e308),
    *(float("nan"), float("inf"), 1j, Decimal("0.5"), Fraction(1, 2), Decimal("nan")),
    *(
        "",
        " ",
        "a",
        "good film",
        "\ud800",
        "\0",
        "a\0b",
        "x" * 5000,
        "auto",
        "int8",
        "softmax",
        "mean",
        "cpu",
        "~",
        ".",
    ),
    *("/", "a/b@", "@", "org/name@main", "{}", "{0}", "{1}", "{:99999999999}", "{0.__class__}", "{!r}", "}{", "{:>9}"),
    *(b"", b"bytes", bytearray(b"x"), memoryview(b"x"), (), [], {}, set(), frozenset("a"), range(3), range(0)),
    *(["a"], ["a", None], ["\ud800"], [b"x"], [["a"]], ("a", "b"), {"a": 1}, {"a"}, [1], [TextPair("a", "b")]),
    *(TextPair("a", "b"), [TextPair("a", None)], [TextPair("\ud800", "")], [TextPair("a", "b"), "c"]),  # type: ignore[arg-type]
    *(object(), object, type, int, list[int], len, Ellipsis, NotImplemented, Exception("x"), slice(1)),
    *(np.array(2), np.array("a"), np.array(["a", "b"]), np.array([]), np.array([True, False]), np.array([[1.5]])),
    *(np.array(True), np.bool_(True), np.int8(1), np.uint64(2**63), np.float32(0.5), np.complex64(1), np.str_("a")),
    *(np.datetime64("2020"), np.timedelta64(1), np.array(None), np.array([None]), np.array(["a"], object)),
    *(Rude(), [Rude()], RudePath(), Path("nowhere"), Path("\0"), Windows(), Windows(stride=2, combine="max")),
    *(dict.fromkeys(LABELS, 0.5), dict.fromkeys(LABELS, 10**400), dict.fromkeys(LABELS), {"other": 0.5}),
    {label: np.array([1, 2]) for label in LABELS},
]
odd = st.integers(0, len(ODD) - 1).map(ODD.__getitem__)  # hypothesis itself cannot take all of them
anything = st.one_of(
    odd,
    st.text(max_size=40),
    st.lists(st.one_of(st.text(max_size=20), odd), max_size=4),
    st.integers(),
    st.floats(),
    st.dictionaries(st.sampled_from([*LABELS, "a"]), st.one_of(st.floats(), odd), max_size=4),
)


@cache
def classifier() -> Classifier:
    return Classifier.load(TINY, precision="fp32")


@cache
def encoder() -> Encoder:
    return Encoder.load(TINY, precision="fp32")


@cache
def zero_shot() -> ZeroShotClassifier:
    return ZeroShotClassifier(classifier(), entailment="positive")


@cache
def tagger() -> TokenClassifier:
    return TokenClassifier.load(TINY_TAGGER, precision="fp32")


@cache
def classify() -> Any:
    return pipeline("text-classification", model=classifier())


@cache
def extract() -> Any:
    return pipeline("feature-extraction", model=encoder())


@cache
def tag() -> Any:
    return pipeline("ner", model=tagger())


@cache
def choose() -> Any:
    return pipeline("zero-shot-classification", model=classifier())


def asked(pipe: Callable[[], Any], inputs: list[Any], name: str, value: Any) -> object:
    return pipe()(*inputs, **{name: value})


def bundle() -> Bundle:
    return Bundle.open(TINY)


TEXTS = ["good", "bad film"]
CALLS: dict[str, Callable[[Any], object]] = {
    "predict": lambda x: classifier().predict(x),
    "predict's element": lambda x: classifier().predict(["a", x]),
    "predict's activation": lambda x: classifier().predict(TEXTS, activation=x),
    "predict's windows": lambda x: classifier().predict(TEXTS, windows=x),
    "rank's top_k": lambda x: classifier().rank(TEXTS, top_k=x),
    "rank's threshold": lambda x: classifier().rank(TEXTS, threshold=x),
    "rank's thresholds": lambda x: classifier().rank(TEXTS, threshold=dict.fromkeys(LABELS, x)),
    "rank's limit of logits": lambda x: classifier().rank(TEXTS, threshold=x, activation="none"),
    "scores": lambda x: classifier().scores(x, activation="sigmoid"),
    "logits": lambda x: classifier().logits(x),
    "score": lambda x: classifier().score(x),
    "limited": lambda x: classifier().limited(x),
    "embed": lambda x: encoder().embed(x),
    "embed's pooling": lambda x: encoder().embed(TEXTS, pooling=x),
    "embed's normalize": lambda x: encoder().embed(TEXTS, normalize=x),
    "hidden_states": lambda x: encoder().hidden_states(x),
    "padded": lambda x: encoder().padded(x),
    "truncated": lambda x: encoder().truncated(x, windows=x),
    "pool": lambda x: encoder().pool(x),
    "zero-shot's texts": lambda x: zero_shot().rank(x, ["a", "b"]),
    "zero-shot's labels": lambda x: zero_shot().rank(TEXTS, x),
    "zero-shot's template": lambda x: zero_shot().rank(TEXTS, ["a", "b"], hypothesis_template=x),
    "zero-shot's multi_label": lambda x: zero_shot().rank(TEXTS, ["a", "b"], multi_label=x),
    "zero-shot's entailment": lambda x: ZeroShotClassifier(classifier(), entailment=x),
    "stride": lambda x: Windows(stride=x),
    "combine": lambda x: Windows(combine=x),
    "size": lambda x: Windows(size=x),
    "windows of any size": lambda x: classifier().predict(["a b c " * 50], windows=Windows(stride=x, size=x)),
    "pair": lambda x: classifier().predict([TextPair(x, "b"), TextPair("a", x)]),
    "load's precision": lambda x: Classifier.load(TINY, precision=x),
    "load's device": lambda x: Classifier.load(TINY, device=x),
    "from_bundle": lambda x: Encoder.from_bundle(x),
    "variant": lambda x: bundle().variant(x),
    "check": lambda x: bundle().check(x),
    "fetch": lambda x: bundle().fetch(x),
    "read": lambda x: bundle().read(x),
    "manifest": lambda x: Manifest.from_bytes(x),
    "pipeline": lambda x: pipeline("text-classification", model=classifier())(x),
    "pipeline's top_k": lambda x: pipeline("text-classification", model=classifier(), top_k=x)("a"),
    "pipeline's function": lambda x: pipeline(model=classifier(), function_to_apply=x)("a"),
    "pipeline's task": lambda x: pipeline(x, model=classifier()),
    **{
        f"{name} of {pipe.__name__}": partial(asked, pipe, given, name)
        for pipe, given, names in (
            (classify, ["a"], ("text_pair", "return_all_scores", "truncation", "max_length", "padding", "batch_size")),
            (extract, ["a"], ("tokenize_kwargs", "return_tensors", "truncation")),
            (tag, ["a b"], ("aggregation_strategy", "ignore_labels", "stride", "delimiter", "offset_mapping")),
            (tag, [["a", "b"]], ("is_split_into_words", "grouped_entities", "ignore_subwords")),
            (choose, ["a"], ("candidate_labels",)),
            (choose, ["a", ["b", "c"]], ("hypothesis_template", "multi_label", "multi_class", "truncation")),
        )
        for name in names
    },
    "text_pair of an input": lambda x: classify()({"text": "a", "text_pair": x}),
    "a label of a pipeline": lambda x: choose()("a", ["b", x]),
    "padding of features": lambda x: extract()("a", tokenize_kwargs={"padding": x}),
    "inputs of ner": lambda x: tag()(x),
    "words of ner": lambda x: tag()(x, is_split_into_words=True),
    "tagged texts": lambda x: tagger().tag(x),
    "tagged words": lambda x: tagger().tag_words(x),
    "Reranker": lambda x: Reranker(x),
    "ZeroShotClassifier": lambda x: ZeroShotClassifier(x),
    "limited tokenizer": lambda x: classifier().tokenizer.limited(x),
}
# Names of models: any of them may be a Hub id, which is not asked here.
PLACES: dict[str, Callable[[Any], object]] = {
    "load": lambda x: Classifier.load(x),
    "load's revision": lambda x: Classifier.load(TINY, revision=x),
    "open": lambda x: Bundle.open(x),
    "verify": lambda x: verify(x),
    "package": lambda x: package(x, "/dev/null/nowhere"),
    "package's version": lambda x: package(TINY, "/dev/null/nowhere", version=x),
    "package's name": lambda x: package(TINY, "/dev/null/nowhere", name=x),
    "push's name": lambda x: push(TINY, x),
}


def answers(call: Callable[[Any], object], value: Any) -> None:
    message = ""
    try:
        call(value)
    except TorchlessError as error:
        message = str(error)
    assert len(message) < 2000, "an error says no more than a few lines"


@pytest.mark.filterwarnings("ignore")  # of parameters that are deprecated
@pytest.mark.parametrize("name", CALLS)
def test_every_odd_argument_is_answered_or_refused(name: str) -> None:
    for value in ODD:
        answers(CALLS[name], value)


@pytest.mark.parametrize("name", PLACES)
def test_every_odd_name_is_found_or_refused(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for value in ODD:
        answers(PLACES[name], value)


@pytest.mark.filterwarnings("ignore")  # of parameters that are deprecated
@settings(quick, max_examples=MANY)
@given(name=st.sampled_from(sorted(CALLS)), value=anything)
def test_any_argument_is_answered_or_refused(name: str, value: Any) -> None:
    answers(CALLS[name], value)


@settings(quick, max_examples=FEW)
@given(texts=st.lists(st.text(max_size=200), max_size=40), windows=st.booleans())
def test_any_texts_have_answers_that_do_not_depend_on_their_neighbours(texts: list[str], windows: bool) -> None:
    how = Windows(stride=3, size=16) if windows else None
    together = classifier().scores(texts, windows=how)
    assert together.shape == (len(texts), 3)
    assert np.isfinite(together).all()
    for text, scores in list(zip(texts, together, strict=True))[:3]:
        np.testing.assert_allclose(classifier().scores([text], windows=how)[0], scores, atol=1e-6)


class OwnError(Exception):
    """Of a caller's generator."""


@pytest.mark.parametrize("call", ["predict", "embed", "zero-shot's texts", "zero-shot's labels"])
@pytest.mark.parametrize("error", [OwnError, TypeError, OSError, KeyboardInterrupt])
def test_a_generator_that_raises_keeps_its_error(call: str, error: type[BaseException]) -> None:
    def texts() -> Iterator[str]:
        yield "a"
        raise error("mine")

    with pytest.raises(error, match="mine"):
        CALLS[call](texts())


MANIFEST = json.loads((TINY / "manifest.json").read_bytes())
GOLDEN = json.loads((TINY / "golden.json").read_bytes())
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.just(10**400)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if new is places:  # stands for leaving it out
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return copy


@settings(quick, max_examples=MANY)
@given(path=st.sampled_from(list(places(MANIFEST))), new=st.one_of(json_values, st.just(places)))
def test_a_manifest_with_any_field_changed_is_read_or_refused(path: Any, new: Any, sign: Any) -> None:
    try:
        manifest = Manifest.from_bytes(sign(changed(MANIFEST, path, new)))
    except TorchlessError:
        return
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


@settings(quick, max_examples=MANY)
@given(path=st.sampled_from(list(places(GOLDEN))), new=st.one_of(json_values, st.just(places)))
def test_golden_answers_with_any_field_changed_are_read_or_refused(path: Any, new: Any) -> None:
    manifest = bundle().manifest
    answers(lambda data: Golden.from_bytes(data, manifest), json.dumps(changed(GOLDEN, path, new)).encode())


@settings(quick, max_examples=MANY)
@given(data=st.one_of(st.binary(max_size=200), st.text(alphabet='[]{}",:0123456789eE+-.\\u ntf', max_size=200)))
def test_any_bytes_are_json_or_refused(data: bytes | str) -> None:
    raw = data if isinstance(data, bytes) else data.encode()
    for call in (Manifest.from_bytes, lambda each: parse(each, "golden.json")):
        answers(call, raw)
