"""The labelled parts of texts over HTTP, and what a tagger answers to those who ask it for something else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from torchless import TokenClassifier

from .conftest import Server, serving

TEXTS = [
    "I am a man in a boat, on a trip to the sea.",
    "",
    "\n\n the  quick\tfox ",
    "a \U0001f600 b \U0001f468\u200d\U0001f469\u200d\U0001f467 c",
    "cafe\u0301 \u05e9\u05dc\u05d5\u05dd \u7d20\u6674",
    "a man and a dog " * 40,  # several windows
]


@pytest.fixture(scope="module")
def served(tiny_tagger: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("log"), tiny_tagger, tiny, "--drain-s", 0) as running:
        yield running


@pytest.fixture(scope="module")
def tagger(tiny_tagger: Path) -> TokenClassifier:
    return TokenClassifier.load(tiny_tagger)


def spans(tagger: TokenClassifier, text: str, **options: Any) -> list[dict[str, Any]]:
    return [
        {"label": each.label, "score": pytest.approx(each.score, abs=1e-5), "start": each.start, "end": each.end}
        | {"word": each.word}
        for each in tagger.tag([text], **options)[0]
    ]


@pytest.mark.parametrize("text", TEXTS)
def test_inference_client_gets_the_library_s_answer(served: Server, tagger: TokenClassifier, text: str) -> None:
    client = InferenceClient(served.address)
    for aggregation in ("simple", "none", "first", "average", "max"):
        answer = client.token_classification(text, aggregation_strategy=aggregation)
        name = "entity" if aggregation == "none" else "entity_group"
        found = [
            {"label": getattr(each, name), "score": each.score, "start": each.start, "end": each.end, "word": each.word}
            for each in answer
        ]
        assert found == spans(tagger, text, aggregation=aggregation)


def test_inference_client_names_labels_and_a_stride(served: Server, tagger: TokenClassifier) -> None:
    client = InferenceClient(f"{served.address}/models/tiny-tagger")
    answer = client.token_classification(TEXTS[-1], ignore_labels=["O", "PER"], stride=3)
    expected = spans(tagger, TEXTS[-1], ignore_labels=["O", "PER"], stride=3)
    assert [(each.entity_group, each.start) for each in answer] == [(each["label"], each["start"]) for each in expected]


def test_its_own_path_answers_one_text_or_many(served: Server, tagger: TokenClassifier) -> None:
    assert served.post("/tag", {"inputs": TEXTS[0]}) == spans(tagger, TEXTS[0])
    assert served.post("/tag", {"inputs": TEXTS}) == [spans(tagger, text) for text in TEXTS]
    assert served.post("/tag", {"inputs": []}) == []
    body = {"inputs": TEXTS[0], "aggregation": "none", "ignore_labels": [], "model": "tiny-tagger"}
    assert served.post("/tag", body) == spans(tagger, TEXTS[0], aggregation="none", ignore_labels=[])


def test_a_long_text_can_be_cut_and_the_answer_says_so(served: Server, tagger: TokenClassifier) -> None:
    status, headers, body = served.request("POST", "/tag", {"inputs": ["a", TEXTS[-1]], "truncate": True})
    assert (status, headers["x-truncated"]) == (200, "1")
    assert json.loads(body)[1] == spans(tagger, TEXTS[-1], truncate=True)
    assert "x-truncated" not in served.request("POST", "/tag", {"inputs": TEXTS[-1]})[1]


def test_requests_side_by_side_get_their_own_answers(served: Server, tagger: TokenClassifier) -> None:
    bodies = [{"inputs": TEXTS[place % len(TEXTS)]} for place in range(48)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda body: served.post("/tag", body), bodies))
    assert answers == [spans(tagger, body["inputs"]) for body in bodies]


def test_the_open_inference_protocol_answers_spans_as_json(served: Server, tagger: TokenClassifier) -> None:
    metadata = json.loads(served.request("GET", "/v2/models/tiny-tagger")[2])
    assert metadata["outputs"][0] == {"name": "spans", "datatype": "BYTES", "shape": [-1]}
    body = {"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": TEXTS[:2]}]}
    (output,) = served.post("/v2/models/tiny-tagger/infer", body)["outputs"]
    assert (output["name"], output["shape"], output["datatype"]) == ("spans", [2], "BYTES")
    assert [json.loads(each) for each in output["data"]] == [spans(tagger, text) for text in TEXTS[:2]]


def test_tritonclient_reads_spans_in_binary(served: Server, tagger: TokenClassifier) -> None:
    client = tritonclient.http.InferenceServerClient(served.address.removeprefix("http://"))
    texts = tritonclient.http.InferInput("text", [2], "BYTES")
    texts.set_data_from_numpy(np.array([each.encode() for each in TEXTS[:2]], np.object_))
    wanted = tritonclient.http.InferRequestedOutput("spans", binary_data=True)
    found = client.infer("tiny-tagger", [texts], outputs=[wanted]).as_numpy("spans")
    assert [json.loads(each) for each in found] == [spans(tagger, text) for text in TEXTS[:2]]


def test_every_report_says_what_a_model_is(served: Server) -> None:
    info = json.loads(served.request("GET", "/info")[2])
    assert [model["kind"] for model in info["models"]] == ["token_classifier", "classifier"]
    assert info["model_type"]["token_classifier"]["id2label"]["1"] == "B-PER"
    kinds = json.loads(served.request("GET", "/status")[2])["kinds"]
    assert kinds == {"tiny-tagger": "token_classifier", "tiny": "classifier"}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/predict", {"inputs": "a"}, "tiny-tagger labels tokens, not texts; send the texts to /tag"),
        ("/classify", {"input": "a"}, "tiny-tagger labels tokens, not texts; send the texts to /tag"),
        ("/zero-shot", {"inputs": "a", "candidate_labels": ["x"]}, "not a model for natural language inference"),
        ("/tag", {"inputs": "a", "model": "tiny"}, "tiny labels texts, not tokens; send the texts to /predict"),
        ("/tag", {"inputs": "a", "aggregation": "best"}, "Invalid enum value 'best'"),
        ("/tag", {"inputs": "a", "stride": 62}, "stride: expected less than the 62 tokens"),
        ("/tag", {"inputs": "a", "stride": -1}, "Expected `int` >= 0"),
        ("/tag", {"inputs": "a", "stride": 1, "truncate": True}, "stride: a text that is cut has one window"),
        ("/", {"inputs": "a", "parameters": {"stride": 1, "truncation": True}}, "stride: a text that is cut"),
        ("/tag", {"inputs": [1]}, "Expected `str`, got `int`"),
        ("/", {"inputs": "a", "parameters": {"top_k": 1}}, "parameters.top_k does not go with this model"),
        ("/", {"inputs": "a", "parameters": {"candidate_labels": ["x"]}}, "parameters.candidate_labels does not go"),
        ("/models/tiny", {"inputs": "a", "parameters": {"stride": 1}}, "parameters.stride does not go with this model"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(served: Server, path: str, body: Any, said: str) -> None:
    status, _, answer = served.request("POST", path, body)
    assert status == 422
    error = json.loads(answer)["error"]
    assert said in (error if isinstance(error, str) else error["message"])


@pytest.mark.parametrize(
    ("model", "outputs", "said"),
    [
        ("tiny-tagger", ["label"], "labels tokens, not texts"),
        ("tiny", ["spans"], "labels texts, not tokens"),
        ("tiny-tagger", ["spans", "spans"], "expected spans once"),
    ],
)
def test_an_output_that_a_model_does_not_have_is_refused(
    served: Server, model: str, outputs: list[str], said: str
) -> None:
    body = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}]}
    body |= {"outputs": [{"name": name} for name in outputs]}
    status, _, answer = served.request("POST", f"/v2/models/{model}/infer", body)
    assert status == 422
    assert said in json.loads(answer)["error"]


def test_inference_client_is_told_that_a_classifier_labels_no_tokens(served: Server) -> None:
    client = InferenceClient(f"{served.address}/models/tiny")
    with pytest.raises(HfHubHTTPError, match="422"):
        client.token_classification("a", aggregation_strategy="simple")


def test_more_tokens_than_the_queue_holds_are_refused_before_they_run(tiny_tagger: Path, tmp_path: Path) -> None:
    small = Server(tmp_path / "log", str(tiny_tagger), "--max-queue-tokens", "2000", "--drain-s", "0")
    try:
        assert small.request("POST", "/tag", {"inputs": "a " * 1000})[0] == 200
        assert small.request("POST", "/tag", {"inputs": "a " * 5000})[0] == 413
        status, _, answer = small.request("POST", "/tag", {"inputs": "a " * 1000, "stride": 61})
        assert status == 413
        assert "the queue holds 2000" in json.loads(answer)["error"]
    finally:
        small.stop()
