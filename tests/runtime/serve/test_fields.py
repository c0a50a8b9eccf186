"""Fields that would change an answer: they are done, or refused by name; none is dropped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from torchless import Classifier

from .conftest import Server

TENSOR: dict[str, Any] = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["good"]}


def infer(**changes: Any) -> dict[str, Any]:
    return {"inputs": [TENSOR], **changes}


def tensor(**parameters: Any) -> dict[str, Any]:
    return {"inputs": [{**TENSOR, "parameters": parameters}]}


def output(**parameters: Any) -> dict[str, Any]:
    return infer(outputs=[{"name": "scores", "parameters": parameters}])


def hugging(**parameters: Any) -> dict[str, Any]:
    return {"inputs": "good", "parameters": parameters}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"inputs": "good", "top_k": 1}),
        ("/predict", {"inputs": "good", "parameters": {"candidate_labels": ["a"]}}),
        ("/embed", {"inputs": "good", "pooling": "cls"}),
        ("/embed", {"inputs": "good", "truncate_prompt_tokens": 3}),
        ("/tokenize", {"inputs": "good", "truncate": True}),
        ("/", {"inputs": "good", "text_pair": "bad"}),
        ("/", {"inputs": "good", "candidate_labels": ["a"]}),
        ("/", hugging(threshold=0.5)),
        ("/", hugging(truncation="only_second")),
        ("/", hugging(max_length=4)),
        ("/", hugging(max_length=4096)),
        ("/", hugging(add_special_tokens=False)),
        ("/", hugging(multi_label=True)),
        ("/", hugging(hypothesis_template="{}")),
        ("/", hugging(candidate_labels=["a"])),  # sst2-mini is no model for NLI
        ("/classify", {"input": "good", "raw_scores": True}),
        ("/classify", {"input": "good", "normalize": False}),
        ("/classify", {"input": "good", "add_special_tokens": False}),
        ("/classify", {"input": "good", "truncation_side": "left"}),
        ("/classify", {"input": "good", "use_activation": True, "activation": False}),
        ("/classify", {"input": "good", "messages": []}),
        ("/v1/embeddings", {"input": "good", "input_type": "query"}),
        ("/v1/embeddings", {"input": "good", "normalize": False}),
        ("/v1/embeddings", {"input": "good", "dimensions": 7}),
        ("/v2/models/sst2-mini/infer", infer(parameters={"top_k": 1})),
        ("/v2/models/sst2-mini/infer", infer(parameters={"binary_data_output": "false"})),
        ("/v2/models/sst2-mini/infer", tensor(content_type="base64")),
        ("/v2/models/sst2-mini/infer", tensor(shared_memory_region="x")),
        ("/v2/models/sst2-mini/infer", output(classification="two")),
        ("/v2/models/sst2-mini/infer", output(classification=1.5)),
        ("/v2/models/sst2-mini/infer", output(classification=-1)),
        ("/v2/models/sst2-mini/infer", output(classification=True)),
        ("/v2/models/sst2-mini/infer", output(binary_data="no")),
        ("/v2/models/sst2-mini/infer", infer(model_version="2")),
        ("/v2/models/sst2-mini/infer", infer(outputs=[{"name": "label", "parameters": {"classification": 1}}])),
        ("/v2/models/sst2-mini/infer", tensor(binary_data_size=9)),
        ("/v2/models/sst2-mini/infer", infer(parameters={"sequence_id": 7})),
        ("/v2/models/sst2-mini/infer", infer(parameters={"sequence_id": "a"})),
        ("/v2/models/sst2-mini/infer", infer(parameters={"sequence_start": True})),
        ("/v2/models/sst2-mini/infer", infer(parameters={"timeout": -1})),
        ("/v2/models/sst2-mini/infer", infer(parameters={"timeout": 10**400})),
        ("/v1/embeddings", {"input": [[101, 102]]}),
        ("/v1/embeddings", {"input": [101, 102]}),
        ("/v1/embeddings", {"input": "good", "truncate_prompt_tokens": 3}),
        ("/embed", {"inputs": "good", "encoding_format": "base64"}),
    ],
)
def test_a_field_that_is_not_understood_is_422(server: Server, path: str, body: Any) -> None:
    status, _, answer = server.request("POST", path, body)
    assert status == 422, answer
    assert json.loads(answer)["error"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {"inputs": "good", "truncation_direction": "Right", "truncate": None}),
        ("/", {"inputs": "good", "options": {"wait_for_model": True, "use_cache": False}}),
        ("/", hugging(truncation=True, max_length=512, padding="max_length", batch_size=8)),
        ("/", hugging(top_k=None, function_to_apply=None, candidate_labels=None)),
        ("/classify", {"input": "good", "priority": 3, "user": "me", "request_id": "7", "rid": "8"}),
        ("/classify", {"input": "good", "truncation_side": "right", "add_special_tokens": True}),
        ("/v1/embeddings", {"input": "good", "user": "me", "encoding_format": None}),
        ("/v1/embeddings", {"input": "good", "drop_params": True}),  # RAGFlow's, for LiteLLM
        ("/v1/embeddings", {"input": "good", "truncate_prompt_tokens": -1}),  # vLLM's benchmark
        ("/embed", {"inputs": "good", "encoding_format": "float"}),  # huggingface_hub 2
        ("/v2/models/sst2-mini/infer", infer(parameters={"priority": 1, "timeout": 10_000_000, "sequence_id": 0})),
        ("/v2/models/sst2-mini/infer", {"inputs": [{**TENSOR, "name": "args"}]}),  # as MLServer's clients call it
        ("/v2/models/sst2-mini/infer", tensor(content_type="str")),
    ],
)
def test_what_changes_no_answer_is_taken(server: Server, path: str, body: Any) -> None:
    plain = {name: body[name] for name in ("inputs", "input") if name in body}
    if path.endswith("infer"):
        plain = infer()

    def without_id(answer: Any) -> Any:
        return {**answer, "id": 0, "created": 0} if isinstance(answer, dict) else answer

    assert without_id(server.post(path, body)) == without_id(server.post(path, plain))


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("/predict?truncate=false", {"inputs": "good"}, "truncate"),
        ("/predict?a=b&raw_scores", {"inputs": "good"}, "raw_scores"),
        ("/?top_k=1&function_to_apply=none", {"inputs": "good"}, "function_to_apply, top_k"),
        ("/v1/embeddings?encoding_format=base64&api-version=2", {"input": "good"}, "encoding_format"),
        ("/v2/models/sst2-mini/infer?binary_data_output=true", infer(), "binary_data_output"),
    ],
)
def test_fields_in_the_query_string_are_refused(server: Server, path: str, body: Any, wrong: str) -> None:
    status, _, answer = server.request("POST", path, body)
    assert status == 422
    assert f"{wrong}: expected in the body" in str(json.loads(answer)["error"])


def test_what_proxies_and_clients_add_to_the_query_string_is_ignored(server: Server) -> None:
    assert server.post("/v1/embeddings?api-version=2024-02-01&=&x", {"input": "good"})
    assert server.get("/health?truncate=1") == {"status": "alive"}


def test_a_tensor_s_timeout_is_kept(server: Server) -> None:
    status, _, answer = server.request("POST", "/v2/models/sst2-mini/infer", infer(parameters={"timeout": 1}))
    assert (status, json.loads(answer)["error"][:23]) == (503, "no answer within 1e-06 ")


def test_bytes_after_a_tensor_that_is_in_the_json_are_refused(server: Server) -> None:
    head = json.dumps(infer()).encode()
    headers = {"inference-header-content-length": str(len(head))}
    status, _, answer = server.request("POST", "/v2/models/sst2-mini/infer", head + b"\x05\0\0\0awful", headers)
    assert status == 422
    assert "its data is in the JSON, but binary_data_size is 0, and 9 bytes follow" in json.loads(answer)["error"]


def test_earlier_names_of_fields_are_done(server: Server, mini: Any) -> None:
    logits = Classifier.load(mini).logits(["good"])[0].tolist()
    for name in ("use_activation", "activation", "softmax"):
        assert server.post("/classify", {"input": "good", name: False})["data"][0]["probs"] == logits
    (best,) = server.post("/", hugging(return_all_scores=False))
    assert [each["label"] for each in best] == ["POSITIVE"]
    assert len(server.post("/", hugging(return_all_scores=True))[0]) == 2


def test_truncation_can_be_refused_in_hugging_face_s_words(server: Server) -> None:
    for value in (False, "do_not_truncate"):
        body = {"inputs": "! " * 600, "parameters": {"truncation": value}}
        status, _, answer = server.request("POST", "/", body)
        assert status == 422
        assert b"truncation was refused" in answer
