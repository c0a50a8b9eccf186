"""Documents ranked over HTTP, in each dialect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest

from torchless import Ranked, Reranker, TextPair
from torchless.serve.dialects import rank as ranking
from torchless.serve.settings import Settings

from .conftest import Server, serving

QUERY = "how was the film"
DOCUMENTS = ["the film was good", "", "naïve café ☕ 你好", "שלום עולם", "a  double\n\nblank", "the film was good"]
PATHS = ["/rerank", "/v1/rerank", "/v2/rerank"]


@pytest.fixture(scope="module")
def served(tiny_ranker: Path, tiny: Path, mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("log"), tiny_ranker, tiny, mini, "--drain-s", 0) as running:
        yield running


@pytest.fixture(scope="module")
def reranker(tiny_ranker: Path) -> Reranker:
    return Reranker.load(tiny_ranker)


def same(answer: list[dict[str, Any]], expected: list[Ranked], name: str = "score") -> None:
    assert [each["index"] for each in answer] == [each.index for each in expected]
    assert [each[name] for each in answer] == pytest.approx([each.score for each in expected], abs=1e-6)


@pytest.mark.parametrize("top_k", [None, 1, 4, 100])
def test_its_own_path_answers_as_the_library(served: Server, reranker: Reranker, top_k: int | None) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, "top_k": top_k}
    same(served.post("/rank", body), reranker.rank(QUERY, DOCUMENTS, top_k))
    repeated = served.post("/rank", {**body, "return_documents": True, "model": "tiny-ranker"})
    assert [each["document"] for each in repeated] == [DOCUMENTS[each["index"]] for each in repeated]


def test_tei_s_clients_get_its_form(served: Server, reranker: Reranker) -> None:
    body = {"query": QUERY, "texts": DOCUMENTS, "truncate": True, "truncation_direction": "Right"}
    answer = served.post("/rerank", body)
    same(answer, reranker.rank(QUERY, DOCUMENTS, activation="sigmoid"))
    assert set(answer[0]) == {"index", "score"}
    raw = served.post("/rerank", {**body, "raw_scores": True, "return_text": True})
    same(raw, reranker.rank(QUERY, DOCUMENTS, activation="none"))
    assert [each["text"] for each in raw] == [DOCUMENTS[each["index"]] for each in raw]
    same(served.post("/rerank", {**body, "top_n": 2, "truncate": False}), reranker.rank(QUERY, DOCUMENTS, 2))


@pytest.mark.parametrize("path", PATHS)
def test_jina_s_and_vllm_s_clients_get_their_form(served: Server, reranker: Reranker, path: str) -> None:
    body = {"model": "tiny-ranker", "query": QUERY, "documents": [*DOCUMENTS[:5], {"text": DOCUMENTS[5], "id": "7"}]}
    answer = served.post(path, body)
    expected = reranker.rank(QUERY, DOCUMENTS)
    same(answer["results"], expected, "relevance_score")
    assert answer["results"][0]["document"]["text"] == DOCUMENTS[expected[0].index]
    (seventh,) = (each["document"] for each in answer["results"] if each["index"] == 5)
    assert seventh == {"text": DOCUMENTS[5], "id": "7"}
    assert answer["usage"]["total_tokens"] == answer["meta"]["tokens"]["input_tokens"] > 0
    best = served.post(path, {**body, "top_n": 2, "return_documents": False, "use_activation": False})
    same(best["results"], reranker.rank(QUERY, DOCUMENTS, 2, activation="none"), "relevance_score")
    assert set(best["results"][0]) == {"index", "relevance_score"}
    assert served.post(path, {**body, "top_n": 0})["results"] == answer["results"]


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """Cohere's clients leave theirs open."""
    with httpx.Client() as client:
        yield client


def test_cohere_s_clients_change_the_url_alone(served: Server, reranker: Reranker, http: httpx.Client) -> None:
    cohere = pytest.importorskip("cohere")
    expected = reranker.rank(QUERY, DOCUMENTS, 3)
    for kind in (cohere.ClientV2, cohere.Client):
        client = kind(api_key="none", base_url=served.address, httpx_client=http)
        answer = client.rerank(model="tiny-ranker", query=QUERY, documents=DOCUMENTS, top_n=3)
        assert [each.index for each in answer.results] == [each.index for each in expected]
        scores = [each.relevance_score for each in answer.results]
        assert scores == pytest.approx([each.score for each in expected], abs=1e-6)
        assert getattr(answer.results[0], "document", None) is None
        with pytest.raises(cohere.NotFoundError, match="no model 'nope' here"):
            client.rerank(model="nope", query=QUERY, documents=DOCUMENTS)
        with pytest.raises(cohere.UnprocessableEntityError, match="query: expected a str that is not blank"):
            client.rerank(model="tiny-ranker", query=" ", documents=DOCUMENTS)
    repeated = client.rerank(query=QUERY, documents=[{"text": "a", "id": "1"}, "b"], return_documents=True)
    assert {each.document.text for each in repeated.results} == {"a", "b"}


@pytest.mark.parametrize("path", ["/score", "/v1/score"])
@pytest.mark.parametrize(
    "names", [("text_1", "text_2"), ("queries", "documents"), ("queries", "items"), ("data_1", "data_2")]
)
def test_vllm_scores_pairs(served: Server, reranker: Reranker, path: str, names: tuple[str, str]) -> None:
    for first, second, pairs in (
        ("a", "b", [("a", "b")]),
        ("a", ["b", "", "c"], [("a", "b"), ("a", ""), ("a", "c")]),
        (["a"], ["b", "c"], [("a", "b"), ("a", "c")]),
        (["a", "b"], ["c", "d"], [("a", "c"), ("b", "d")]),
        ("a", [], []),
        ([], [], []),
    ):
        answer = served.post(path, dict(zip(names, (first, second), strict=True)))
        scores = reranker.score(list(map(TextPair, *zip(*pairs, strict=True)))) if pairs else []
        assert [each["score"] for each in answer["data"]] == pytest.approx(list(scores), abs=1e-6)
        assert [each["index"] for each in answer["data"]] == list(range(len(pairs)))
    raw = served.post(path, {"text_1": "a", "text_2": "b", "use_activation": False})
    assert raw["data"][0]["score"] == pytest.approx(reranker.score([("a", "b")], activation="none")[0], abs=1e-6)


def test_no_documents_are_an_empty_list(served: Server) -> None:
    assert served.post("/rank", {"query": "a", "documents": []}) == []
    assert served.post("/rerank", {"query": "a", "texts": []}) == []
    for path in PATHS:
        assert served.post(path, {"query": "a", "documents": []})["results"] == []


def test_documents_that_were_cut_are_named_or_refused(served: Server) -> None:
    body = {"query": QUERY, "documents": ["a", "never again " * 60]}
    status, headers, _ = served.request("POST", "/rank", body)
    assert (status, headers["x-truncated"]) == (200, "1")
    assert served.request("POST", "/rank", {**body, "truncate": False})[0] == 422
    assert served.request("POST", "/rerank", {"query": QUERY, "texts": body["documents"], "truncate": False})[0] == 422


def test_requests_share_batches_and_not_their_answers(served: Server, reranker: Reranker) -> None:
    expected = [reranker.rank(f"{QUERY} {number}", DOCUMENTS) for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        bodies = [{"query": f"{QUERY} {number}", "documents": DOCUMENTS} for number in range(24)]
        answers = list(pool.map(lambda body: served.post("/rank", body), bodies))
    for answer, wanted in zip(answers, expected, strict=True):
        scores = {each["index"]: each["score"] for each in answer}
        assert [scores[each.index] for each in wanted] == pytest.approx([each.score for each in wanted], abs=1e-3)


def test_info_says_which_model_ranks(served: Server) -> None:
    info = served.get("/info")
    assert info["model_type"] == {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}}
    ranks = {each["name"]: each["ranks"] for each in info["models"]}
    assert ranks == {"tiny-ranker": True, "tiny": False, "sst2-mini": False}


def test_a_query_is_checked_once_for_all_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    monkeypatch.setattr(ranking, "checked_query", lambda query: checked.append(query) or query)
    monkeypatch.setattr(ranking, "require_ranking", lambda _: None)

    async def score(_call: Any, _model: Any, pairs: list[Any], **_: Any) -> Any:
        return np.zeros(len(pairs), np.float32)

    monkeypatch.setattr(ranking, "score_pairs", score)
    tokens = SimpleNamespace(truncated=[False] * 9)
    call: Any = SimpleNamespace(service=SimpleNamespace(settings=Settings()), queued=SimpleNamespace(tokens=tokens))
    asyncio.run(ranking.rank_documents(call, None, "a", ["b"] * 9))  # type: ignore[arg-type]
    assert checked == ["a"]


@pytest.mark.parametrize(
    ("path", "changes", "status", "complaint"),
    [
        ("/rank", {"query": ""}, 422, "query: expected a str that is not blank"),
        ("/rank", {"query": "a" * 200_001}, 413, "query: expected at most 200000 characters, got 200001"),
        ("/rank", {"query": 5}, 422, "Expected `str`, got `int`"),
        ("/rank", {"documents": "a"}, 422, "Expected `array`"),
        ("/rank", {"documents": ["a", None]}, 422, "documents[1]"),
        ("/rank", {"documents": None}, 422, "documents"),
        ("/rank", {"top_k": 0}, 422, "top_k"),
        ("/rank", {"top_n": 3}, 422, "unknown field `top_n`"),
        ("/rank", {"model": "tiny"}, 422, "tiny does not rank: that takes a model that reads pairs and has one output"),
        ("/rank", {"model": "sst2-mini"}, 422, "sst2-mini does not rank"),
        ("/rank", {"model": "nope"}, 404, "no model 'nope' here"),
        ("/rank", {"documents": ["a"] * 1025}, 413, "at most 1024 texts"),
        ("/rank", {"documents": ["a" * 200_000]}, 413, "at most 200000 characters per text"),
        ("/rank", {"documents": ["a b " * 20] * 1024}, 413, "tokens"),
        ("/rerank", {"texts": ["a"]}, 422, "expected texts (as text-embeddings-inference has it) or documents"),
        ("/rerank", {"documents": None}, 422, "expected texts"),
        ("/rerank", {"raw_scores": True}, 422, "raw_scores: not allowed beside documents"),
        ("/rerank", {"texts": ["a"], "documents": None, "user": "me"}, 422, "user: not allowed beside texts"),
        ("/rerank", {"texts": ["a"], "documents": None, "truncation_direction": "left"}, 422, "truncation_direction"),
        (
            "/v1/rerank",
            {"documents": [{"title": "a"}]},
            422,
            "documents[0]: expected a str, or an object with its text",
        ),
        ("/v1/rerank", {"documents": [{"text": 5}]}, 422, "documents[0]"),
        ("/v1/rerank", {"rank_fields": ["title"]}, 422, "rank_fields"),
        ("/v1/rerank", {"max_chunks_per_doc": 10}, 422, "max_chunks_per_doc"),
        ("/v1/rerank", {"top_n": -1}, 422, "top_n"),
        ("/v1/rerank", {"texts": ["a"]}, 422, "unknown field `texts`"),
        ("/v2/rerank", {"max_tokens_per_doc": 16}, 422, "max_tokens_per_doc"),
        ("/v2/rerank", {"relevant_spans": {"mode": "enabled"}}, 422, "relevant_spans.mode"),
        ("/v2/rerank", {"return_embeddings": True}, 422, "return_embeddings"),
        ("/v2/rerank", {"truncate_prompt_tokens": 5}, 422, "truncate_prompt_tokens"),
        ("/v2/rerank", {"use_activation": True, "activation": False}, 422, "use_activation"),
        ("/v2/rerank", {"model": "tiny"}, 422, "tiny does not rank"),
    ],
)
def test_each_bad_request_has_its_own_error(
    served: Server, path: str, changes: dict[str, Any], status: int, complaint: str
) -> None:
    found, _, answer = served.request("POST", path, {"query": QUERY, "documents": ["a"], **changes})
    problem = json.loads(answer)
    assert found == status, problem
    assert complaint in problem["message" if path.startswith("/v") else "error"]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"text_1": "a"}, "expected text_1 and text_2, or queries and documents, or"),
        ({}, "got none of them"),
        ({"text_1": "a", "documents": ["b"]}, "got documents, text_1"),
        ({"text_1": ["a", "b"], "text_2": ["c"]}, "got 2 and 1"),
        ({"text_1": [], "text_2": ["c"]}, "got 0 and 1"),
        ({"text_1": "a", "text_2": "b", "model": "tiny"}, "tiny does not rank"),
        ({"text_1": "a", "text_2": "b", "truncation_side": "left"}, "truncation_side"),
    ],
)
def test_each_bad_request_for_scores_has_its_own_error(served: Server, body: dict[str, Any], complaint: str) -> None:
    status, _, answer = served.request("POST", "/score", body)
    assert status == 422
    assert complaint in json.loads(answer)["error"]["message"]


def test_answers_are_what_the_openapi_document_says(served: Server) -> None:
    document = served.get("/openapi.json")
    for path, body in {
        "/rank": {"query": "a", "documents": ["b", "c"], "return_documents": True},
        "/rerank": {"query": "a", "texts": ["b", "c"]},
        "/v1/rerank": {"query": "a", "documents": ["b", {"text": "c"}]},
        "/v2/rerank": {"query": "a", "documents": ["b", "c"]},
        "/score": {"text_1": "a", "text_2": ["b", "c"]},
    }.items():
        operation = document["paths"][path]["post"]
        for value, content in (
            (body, operation["requestBody"]["content"]),
            (served.post(path, body), operation["responses"]["200"]["content"]),
        ):
            schema = {**content["application/json"]["schema"], "components": document["components"]}
            jsonschema.validate(value, schema)


def test_a_large_answer_is_the_same(served: Server, reranker: Reranker) -> None:
    documents = [f"{DOCUMENTS[number % 6]} {number}" for number in range(300)]
    answer = served.post("/v1/rerank", {"query": "film", "documents": documents})
    scores = np.zeros(300)
    for each in answer["results"]:
        scores[each["index"]] = each["relevance_score"]
        assert each["document"] == {"text": documents[each["index"]]}
    expected = reranker.score([("film", document) for document in documents])
    np.testing.assert_allclose(scores, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/embed", {"inputs": "a"}),
        ("/v1/embeddings", {"input": "a", "model": "tiny-ranker"}),
        (
            "/v2/models/tiny-ranker/infer",
            {
                "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}],
                "outputs": [{"name": "embedding"}],
            },
        ),
    ],
)
def test_a_reranker_is_not_asked_to_embed(served: Server, path: str, body: dict[str, Any]) -> None:
    status, _, answer = served.request("POST", path, body)
    assert status in {400, 422}, answer
    assert b"tiny-ranker ranks documents; send them to /rank" in answer


def test_a_reranker_embeds_where_the_server_names_a_pooling(
    tiny_ranker: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serving(tmp_path_factory.mktemp("log"), tiny_ranker, "--pooling", "mean", "--drain-s", 0) as running:
        assert len(running.post("/embed", {"inputs": "a"})) == 1
