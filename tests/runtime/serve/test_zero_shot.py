"""Labels that come with a request, for models of natural language inference."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree
from typing import Any

import jsonschema
import pytest
from huggingface_hub import InferenceClient

from torchless import ZeroShotClassifier

from .conftest import Server, serving

LABELS = ["films", "food", "war"]
TEMPLATE = "This is about {}."


@pytest.fixture(scope="module")
def nli(tiny: Path, tmp_path_factory: pytest.TempPathFactory, sign: Callable[[dict[str, Any]], bytes]) -> Path:
    """The random model under labels of natural language inference."""
    path = Path(copytree(tiny, tmp_path_factory.mktemp("nli") / "nli"))
    fields = json.loads((path / "manifest.json").read_bytes())
    fields |= {"labels": ["entailment", "neutral", "contradiction"]}
    (path / "manifest.json").write_bytes(sign(fields))
    return path


@pytest.fixture(scope="module")
def served(nli: Path, mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("log"), nli, mini, "--drain-s", 0) as running:
        yield running


@pytest.fixture(scope="module")
def classifier(nli: Path) -> ZeroShotClassifier:
    return ZeroShotClassifier.load(nli)


def ranking(classifier: ZeroShotClassifier, text: str, **options: Any) -> list[tuple[str, float]]:
    return [(each.label, pytest.approx(each.score, abs=1e-6)) for each in classifier.rank([text], LABELS, **options)[0]]


@pytest.mark.parametrize("text", ["the film was good", "", "naïve café ☕ " * 100])
@pytest.mark.parametrize("options", [{}, {"multi_label": True}, {"hypothesis_template": TEMPLATE}])
def test_inference_client_gets_the_library_s_answer(
    served: Server, classifier: ZeroShotClassifier, text: str, options: Any
) -> None:
    answer = InferenceClient(served.address).zero_shot_classification(text, LABELS, **options)
    assert [(each.label, each.score) for each in answer] == ranking(classifier, text, **options)


def test_each_version_of_the_client_gets_the_form_that_it_reads(served: Server, classifier: ZeroShotClassifier) -> None:
    body = {"inputs": "good", "parameters": {"candidate_labels": LABELS}}
    expected = ranking(classifier, "good")
    for agent in ("curl/8", "unknown/None; hf_hub/0.36.2; python/3.11.1", "unknown/None; hf_hub/1.1.4; python/3.11.1"):
        answer = served.post("/", body, {"user-agent": agent})
        assert answer["sequence"] == "good"
        assert list(zip(answer["labels"], answer["scores"], strict=True)) == expected
    for agent in ("unknown/None; hf_hub/1.1.5; python/3.11.1", "unknown/None; hf_hub/2.4.0; python/3.11.1"):
        answer = served.post("/", body, {"user-agent": agent})
        assert [(each["label"], each["score"]) for each in answer] == expected
    for agent, type_ in (("4.4.0", list), ("3.15.0 Node.js/20", list), ("4.5.0", dict), ("4.13.9 Node.js/22", dict)):
        answer = served.post("/", body, {"user-agent": f"@huggingface/inference/{agent}"})
        assert isinstance(answer, type_)
        answer = answer[0] if isinstance(answer, list) else answer
        assert list(zip(answer["labels"], answer["scores"], strict=True)) == expected
    several = served.post("/models/nli", {**body, "inputs": ["good", "bad"]})
    assert [each["sequence"] for each in several] == ["good", "bad"]


def test_labels_can_be_words_separated_by_commas_and_the_best_alone(served: Server) -> None:
    parameters = {"candidate_labels": "films, food,war", "multi_class": True, "top_k": 2}
    answer = served.post("/", {"inputs": "good", "parameters": parameters})
    assert len(answer["labels"]) == 2
    assert set(answer["labels"]) < set(LABELS)


def test_more_labels_between_commas_than_pairs_are_allowed_are_refused(served: Server) -> None:
    parameters = {"candidate_labels": "a," * 1025}
    status, _, answer = served.request("POST", "/", {"inputs": "good", "parameters": parameters})
    assert (status, json.loads(answer)["error"]) == (413, "parameters.candidate_labels: expected at most 1024 labels")


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"multi_label": False, "multi_class": True}, "multi_label, its later name, says something else"),
        ({"truncation": "longest_first"}, "expected only_first"),
    ],
)
def test_what_would_have_no_effect_is_refused(served: Server, parameters: Any, complaint: str) -> None:
    body = {"inputs": "good", "parameters": {"candidate_labels": LABELS, **parameters}}
    status, _, answer = served.request("POST", "/", body)
    assert (status, complaint in json.loads(answer)["error"]) == (422, True), answer
    both = {"multi_label": True, "multi_class": True, "truncation": "only_first"}
    assert served.post("/", {"inputs": "good", "parameters": {"candidate_labels": LABELS, **both}})


def test_its_own_path_answers_like_predict(served: Server, classifier: ZeroShotClassifier) -> None:
    body = {"inputs": "good", "candidate_labels": LABELS, "multi_label": True}
    one = served.post("/zero-shot", body)
    assert [(each["label"], each["score"]) for each in one] == ranking(classifier, "good", multi_label=True)
    assert served.post("/zero-shot", {**body, "inputs": ["good"], "model": "nli"}) == [one]
    assert served.post("/zero-shot", {**body, "inputs": []}) == []
    alone = served.post("/zero-shot", {"inputs": "good", "candidate_labels": ["films"]})
    assert alone[0]["score"] < 1  # a lone label is scored against contradiction


def test_the_premise_alone_is_cut_and_the_texts_that_were_are_named(
    served: Server, classifier: ZeroShotClassifier
) -> None:
    label = "food and war"
    body = {"inputs": ["good", "never again " * 90], "candidate_labels": [label, "films"]}
    status, headers, answer = served.request("POST", "/zero-shot", body)
    assert (status, headers["x-truncated"]) == (200, "1")
    expected = classifier.rank(["never again " * 90], body["candidate_labels"])[0]
    assert [each["score"] for each in json.loads(answer)[1]] == pytest.approx(
        [each.score for each in expected], abs=1e-6
    )
    assert served.request("POST", "/zero-shot", {**body, "truncate": False})[0] == 422


@pytest.mark.parametrize(
    ("changes", "status", "complaint"),
    [
        ({"candidate_labels": []}, 422, "length"),
        ({"candidate_labels": ["a", " "]}, 422, "candidate_labels[1]"),
        ({"candidate_labels": ["war " * 100]}, 422, "leave its premise"),
        ({"candidate_labels": ["a"] * 2000}, 413, "at most 1024 pairs of text and label"),
        ({"candidate_labels": ["a"] * 600, "inputs": ["x", "y"]}, 413, "at most 1024 pairs"),
        ({"hypothesis_template": "no place"}, 422, "hypothesis_template"),
        ({"hypothesis_template": "{} and {}"}, 422, "hypothesis_template"),
        ({"hypothesis_template": "{:1000000000}"}, 422, "hypothesis_template"),
        ({"hypothesis_template": "{0.__class__}"}, 422, "hypothesis_template"),
        ({"hypothesis_template": "{0!r}"}, 422, "hypothesis_template"),
        ({"hypothesis_template": "{label}"}, 422, "hypothesis_template"),
        ({"hypothesis_template": "{"}, 422, "hypothesis_template"),
        ({"hypothesis_template": "{}" + "x" * 100_000, "candidate_labels": ["a"] * 100}, 413, "characters together"),
        ({"hypothesis_template": "{}" + "x" * 200_000}, 413, "hypothesis_template of at most 200000 characters"),
        ({"hypothesis_template": "{0}" * 50_000}, 422, "got 50000 braces"),
        ({"hypothesis_template": "{}" + "}}" * 60_000}, 422, "got 120001 braces"),
        ({"model": "sst2-mini"}, 422, "natural language inference"),
        ({"model": "nope"}, 404, "no model"),
        ({"labels": ["a"]}, 422, "unknown field"),
    ],
)
def test_it_says_what_is_wrong(served: Server, changes: Any, status: int, complaint: str) -> None:
    body = {"inputs": "good", "candidate_labels": LABELS, **changes}
    got, _, answer = served.request("POST", "/zero-shot", body)
    assert (got, complaint in json.loads(answer)["error"]) == (status, True), answer
    assert len(answer) < 400


def test_a_hypothesis_without_room_is_no_fault_of_requests_beside_it(served: Server) -> None:
    bad = {"inputs": "good", "candidate_labels": ["war " * 100]}
    fine = {"inputs": "good", "candidate_labels": LABELS}
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda i: served.request("POST", "/zero-shot", bad if i % 2 else fine)[0], range(64)))
    assert statuses == [200, 422] * 32


def test_bodies_and_answers_are_as_described(served: Server) -> None:
    document = served.get("/openapi.json")

    def check(content: Any, value: Any) -> None:
        schema = {**content["application/json"]["schema"], "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(value)

    own = {"candidate_labels": LABELS, "multi_label": True}
    for path, body in (
        ("/zero-shot", {"inputs": "good", **own}),
        ("/zero-shot", {"inputs": ["good"], **own}),
        ("/", {"inputs": "good", "parameters": own}),
        ("/", {"inputs": ["good"], "parameters": own}),
    ):
        operation = document["paths"][path]["post"]
        check(operation["requestBody"]["content"], body)
        check(operation["responses"]["200"]["content"], served.post(path, body))
