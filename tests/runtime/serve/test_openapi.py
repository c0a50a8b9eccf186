"""The document says what the server does."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import openapi_spec_validator
import pytest

from .conftest import Server


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get("/openapi.json")
    return found


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    openapi_spec_validator.validate(document)


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(value)


NAMING_A_MODEL = {
    "/classify",
    "/v1/classify",
    "/v1/embeddings",
    "/zero-shot",
    "/tag",
    "/admin/reload",
    "/rank",
    "/rerank",
    "/v1/rerank",
    "/v2/rerank",
    "/score",
    "/v1/score",
}  # in the body
OPERATIONS = [
    ("post", "/predict", "/predict", {"inputs": [["a"], ["b"]]}),
    ("post", "/predict", "/predict", {"inputs": "a", "raw_scores": True}),
    ("post", "/embed", "/embed", {"inputs": "a"}),
    ("post", "/tokenize", "/tokenize", {"inputs": "a"}),
    ("get", "/info", "/info", None),
    ("post", "/", "/", {"inputs": "a", "parameters": {"top_k": 1}}),
    ("post", "/models/{name}", "/models/tiny", {"inputs": ["a", "b"]}),
    ("post", "/classify", "/classify", {"input": "a"}),
    ("post", "/v1/embeddings", "/v1/embeddings", {"input": ["a"], "encoding_format": "base64"}),
    ("get", "/v1/models", "/v1/models", None),
    ("get", "/v1/models/{name}", "/v1/models/tiny", None),
    ("post", "/decode", "/decode", {"ids": [[101], [102]]}),
    (
        "post",
        "/v2/models/{name}/infer",
        "/v2/models/tiny/infer",
        {"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["a"]}]},
    ),
    ("get", "/v2/models/{name}", "/v2/models/tiny", None),
    ("get", "/v2/health/ready", "/v2/health/ready", None),
    ("get", "/status", "/status", None),
    ("get", "/ready", "/ready", None),
]


@pytest.mark.parametrize(("method", "template", "path", "body"), OPERATIONS)
def test_bodies_and_answers_are_as_described(
    server: Server, document: dict[str, Any], method: str, template: str, path: str, body: Any
) -> None:
    operation = document["paths"][template][method]
    if body is not None:
        check(document, operation["requestBody"]["content"]["application/json"]["schema"], body)
    status, _, answer = server.request(method.upper(), path, body)
    assert status == 200
    check(document, operation["responses"]["200"]["content"]["application/json"]["schema"], json.loads(answer))


@pytest.mark.parametrize("path", ["/predict", "/", "/classify", "/v1/embeddings", "/v2/models/{name}/infer"])
def test_refusals_are_as_described(server: Server, document: dict[str, Any], path: str) -> None:
    responses = document["paths"][path]["post"]["responses"]
    for body, status in ((b"{", 400), (b"{}", 422)):
        headers = {"content-type": "application/json"}
        got, _, answer = server.request("POST", path.replace("{name}", "tiny"), body, headers)
        assert got == status
        check(document, responses[str(status)]["content"]["application/json"]["schema"], json.loads(answer))
    assert {"408", "413", "415", "429", "500", "503"} <= set(responses)


def test_statuses_are_those_of_the_operation(document: dict[str, Any]) -> None:
    paths = document["paths"]
    described = {
        (method, path): set(operation["responses"])
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    for (_, path), statuses in described.items():
        assert ("409" in statuses) == (path == "/admin/reload")
        assert ("404" in statuses) == ("{" in path or path in NAMING_A_MODEL), path
    for path in ("/ready", "/v2/health/ready", "/v2/models/{name}/ready", "/v2/models/{name}/versions/{version}/ready"):
        responses = paths[path]["get"]["responses"]
        assert responses["503"]["content"] == responses["200"]["content"]
    assert "503" not in described["get", "/health"]
    assert "401" not in described["get", "/health"]
    assert "401" in described["get", "/status"]
