"""What goes over the wire, dialect by dialect."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers

from torchless import Classifier, Encoder, TextPair

from .conftest import Server

HATED = "I hate this so much"


@pytest.fixture(scope="module")
def classifier(mini: Path) -> Classifier:
    return Classifier.load(mini)


def ranking(classifier: Classifier, text: str) -> list[dict[str, Any]]:
    return [{"score": best.score, "label": best.label} for best in classifier.rank([text])[0]]


def refused(server: Server, path: str, body: Any, status: int) -> Any:
    got, headers, answer = server.request("POST", path, body)
    assert (got, headers["content-type"]) == (status, "application/json"), answer
    return json.loads(answer)


# text-embeddings-inference


@pytest.mark.parametrize(
    ("inputs", "texts", "flat"),
    [
        (HATED, [HATED], True),
        ([HATED], [HATED], True),
        ([["good"], ["bad"]], ["good", "bad"], False),
        ([["good"]], ["good"], False),
        ([], [], False),
        ("", [""], True),
    ],
)
def test_tei_predict_takes_tei_s_shapes(
    server: Server, classifier: Classifier, inputs: Any, texts: list[str], flat: bool
) -> None:
    expected = [ranking(classifier, text) for text in texts]
    assert server.post("/predict", {"inputs": inputs}) == (expected[0] if flat else expected)


def test_tei_predict_takes_pairs_where_the_model_reads_them(start: Callable[..., Server], tiny: Path) -> None:
    server, classifier = start(tiny), Classifier.load(tiny)
    pair, other = classifier.rank([TextPair("good", "bad"), TextPair("bad", "")])
    answers = [[{"score": best.score, "label": best.label} for best in ranking] for ranking in (pair, other)]
    assert server.post("/predict", {"inputs": ["good", "bad"]}) == answers[0]
    assert server.post("/predict", {"inputs": [["good", "bad"]]}) == answers[:1]
    mixed = server.post("/predict", {"inputs": [["bad", ""], ["good"], ["good", "bad"]]})
    assert mixed == [answers[1], ranking(classifier, "good"), answers[0]]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"inputs": ["a", "b"]}, "is a pair of texts"),
        ({"inputs": [["a", "b"]]}, "is a pair of texts"),
        ({"inputs": ["a", "b", "c"]}, "a flat list is one text or one pair"),
        ({"inputs": ["a", ["b"]]}, "got a mixture"),
        ({"inputs": [[]]}, "expected one text or a pair in each inner list, got 0"),
        ({"inputs": 3}, "Expected `str | array`, got `int` - at `$.inputs`"),
        ({}, "missing required field `inputs`"),
        ({"inputs": "a", "truncation_direction": "left"}, "expected right, got left"),
        ({"inputs": "! " * 600, "truncate": False}, "text 0 is longer than 512 tokens"),
    ],
)
def test_tei_says_what_is_invalid(server: Server, body: Any, complaint: str) -> None:
    answer = refused(server, "/predict", body, 422)
    assert complaint in answer["error"]
    assert answer["error_type"] == "Validation"


def test_tei_cuts_where_the_model_does(
    start: Callable[..., Server], tiny: Path, tmp_path: Path, sign: Callable[[dict[str, Any]], bytes]
) -> None:
    left = Path(shutil.copytree(tiny, tmp_path / "left"))
    fields = json.loads((tiny / "manifest.json").read_bytes())
    golden = json.loads((tiny / "golden.json").read_bytes())
    short = {
        "texts": golden["texts"][:1],  # those that are cut have other ids now
        "input_ids": golden["input_ids"][:1],
        "variants": {
            name: {**answers, "logits": answers["logits"][:1], "embeddings": answers["embeddings"][:1]}
            for name, answers in golden["variants"].items()
        },
    }
    data = json.dumps(short).encode()
    (left / "golden.json").write_bytes(data)
    fields["files"]["golden.json"] = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (left / "manifest.json").write_bytes(sign({**fields, "format_version": 2, "truncation_side": "left"}))
    server, text = start(left), "good " * 80 + "bad " * 80
    rows = server.post("/predict", {"inputs": text, "truncation_direction": "Left"})
    assert rows == ranking(Classifier.load(left), text)
    assert rows != ranking(Classifier.load(tiny), text)
    answer = refused(server, "/predict", {"inputs": text, "truncation_direction": "right"}, 422)
    assert "expected left, got right" in answer["error"]


def test_tei_raw_scores_are_logits(server: Server, classifier: Classifier) -> None:
    answer = server.post("/predict", {"inputs": HATED, "raw_scores": True})
    assert [row["score"] for row in answer] == sorted(classifier.logits([HATED])[0].tolist(), reverse=True)


def test_tei_embed_always_answers_a_list_of_vectors(server: Server, mini: Path) -> None:
    encoder = Encoder.load(mini)
    np.testing.assert_array_equal(np.float32(server.post("/embed", {"inputs": "good"})), encoder.embed(["good"]))
    raw = server.post("/embed", {"inputs": ["good", "bad"], "normalize": False})
    np.testing.assert_array_equal(np.float32(raw), encoder.embed(["good", "bad"], normalize=False))


def test_tei_tokenize_is_the_tokenizer_s_own_answer_untruncated(server: Server, mini: Path) -> None:
    text = "Naïve café, " * 400
    (tokens,) = server.post("/tokenize", {"inputs": text})
    tokenizer = tokenizers.Tokenizer.from_file(str(mini / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    encoding = tokenizer.encode(text)
    assert [token["id"] for token in tokens] == encoding.ids
    assert tokens[0] == {"id": 101, "text": "[CLS]", "special": True, "start": None, "stop": None}
    assert tokens[1] == {"id": encoding.ids[1], "text": "Naïve", "special": False, "start": 0, "stop": 5}
    assert len(server.post("/tokenize", {"inputs": "good", "add_special_tokens": False})[0]) == 1


def test_tei_decode_writes_tokens_as_the_tokenizer_does(server: Server, mini: Path) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(mini / "tokenizer.json"))
    one, other = tokenizer.encode("Naïve café!").ids, tokenizer.encode("good").ids
    assert server.post("/decode", {"ids": one}) == [tokenizer.decode(one)]
    assert server.post("/decode", {"ids": [one, other, []]}) == [tokenizer.decode(one), "good", ""]
    assert server.post("/decode", {"ids": other, "skip_special_tokens": False}) == ["[CLS] good [SEP]"]
    assert server.post("/decode", {"ids": []}) == []
    for ids, complaint in (([1, [2]], "mixture"), ([10**6], "no token 1000000"), ([-1], "`int` >= 0")):
        assert complaint in refused(server, "/decode", {"ids": ids}, 422)["error"]
    assert "elements" in refused(server, "/decode", {"ids": [1] * 20_000}, 413)["error"]


def test_tei_info_tells_model_limits_and_every_model(server: Server) -> None:
    info = server.get("/info")
    assert info["model_type"]["classifier"]["id2label"] == {"0": "NEGATIVE", "1": "POSITIVE"}
    assert (info["max_input_length"], info["model_dtype"]) == (512, "int8")
    assert [model["name"] for model in info["models"]] == ["sst2-mini", "tiny"]


def test_headers_split_the_time_and_tell_what_was_truncated(server: Server) -> None:
    _, headers, _ = server.request("POST", "/predict", {"inputs": [["good"], ["! " * 600], ["bad"]]})
    parts = [float(headers[f"x-{part}-time"]) for part in ("tokenization", "queue", "inference")]
    assert 0 < sum(parts) <= float(headers["x-total-time"])
    assert headers["x-compute-tokens"] == str(3 + 512 + 3)
    assert headers["x-compute-characters"] == str(4 + 1200 + 3)
    assert headers["x-truncated"] == "1"
    _, headers, _ = server.request("POST", "/predict", {"inputs": "good"})
    assert "x-truncated" not in headers


# Hugging Face Inference


def test_huggingface_nests_even_one_text(server: Server, classifier: Classifier) -> None:
    assert server.post("/", {"inputs": HATED}) == [ranking(classifier, HATED)]
    both = server.post("/models/sst2-mini", {"inputs": ["good", "bad"], "parameters": {"top_k": 1}})
    assert [[best["label"] for best in row] for row in both] == [["POSITIVE"], ["NEGATIVE"]]
    assert server.post("/", {"inputs": []}) == []


def test_huggingface_says_what_is_wrong(server: Server) -> None:
    assert "top_k" in refused(server, "/", {"inputs": "a", "parameters": {"top_k": 0}}, 422)["error"]
    assert "no model 'nope'" in refused(server, "/models/nope", {"inputs": "a"}, 404)["error"]


# vLLM


def test_vllm_classify_gives_label_and_all_probabilities(server: Server, classifier: Classifier) -> None:
    answer = server.post("/classify", {"model": "sst2-mini", "input": ["good", HATED]})
    assert answer["object"] == "list"
    assert answer["id"].startswith("classify-")
    assert [row["label"] for row in answer["data"]] == ["POSITIVE", "NEGATIVE"]
    assert [row["probs"] for row in answer["data"]] == classifier.scores(["good", HATED]).tolist()
    assert answer["data"][1]["index"] == 1
    assert answer["data"][0]["num_classes"] == 2
    assert answer["usage"] == {"prompt_tokens": 10, "total_tokens": 10, "completion_tokens": 0}
    assert server.post("/v1/classify", {"input": "good"})["data"] == answer["data"][:1]


def test_vllm_refuses_in_openai_s_form(server: Server) -> None:
    answer = refused(server, "/classify", {"model": "nope", "input": "a"}, 404)
    assert answer["error"]["type"] == "not_found_error"
    refused(server, "/classify", {"input": "a", "truncate_prompt_tokens": 5}, 422)


# Open Inference Protocol


def tensor(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["good"], **changes}]}


def test_open_inference_takes_flat_and_nested_data_of_any_shape(server: Server, classifier: Classifier) -> None:
    for shape, data in (([2], ["good", "bad"]), ([2, 1], [["good"], ["bad"]]), ([1, 2], [["good", "bad"]])):
        answer = server.post("/v2/models/sst2-mini/versions/1/infer", tensor(shape=shape, data=data))
        label, scores = answer["outputs"]
        assert (label["name"], label["shape"], label["data"]) == ("label", [2], ["POSITIVE", "NEGATIVE"])
        assert (scores["shape"], scores["datatype"]) == ([2, 2], "FP32")
        assert scores["data"] == classifier.scores(["good", "bad"]).ravel().tolist()


def test_open_inference_says_what_is_wrong(server: Server) -> None:
    path = "/v2/models/tiny/infer"
    assert "does not hold" in refused(server, path, tensor(shape=[3]), 422)["error"]
    assert "expected texts, got int" in refused(server, path, tensor(data=[1]), 422)["error"]
    assert "length" in refused(server, path, {"inputs": []}, 422)["error"]
    assert "names out of" in refused(server, path, tensor() | {"outputs": [{"name": "x"}]}, 422)["error"]
    refused(server, "/v2/models/tiny/versions/2/infer", tensor(), 404)


@pytest.mark.parametrize(
    ("size", "tail"),
    [(5, b"\x04\0\0\0good"), (8, b"\xff\0\0\0good"), (2, b"\x04\0"), (5, b"\x01\0\0\0\xff")],
)
def test_open_inference_survives_broken_binary_tensors(server: Server, size: int, tail: bytes) -> None:
    body = tensor(parameters={"binary_data_size": size})
    del body["inputs"][0]["data"]
    head = json.dumps(body).encode()
    headers = {"inference-header-content-length": str(len(head))}
    assert server.request("POST", "/v2/models/tiny/infer", head + tail, headers)[0] == 422
    headers = {"inference-header-content-length": str(len(head) + 99)}
    assert server.request("POST", "/v2/models/tiny/infer", head + tail, headers)[0] == 400


def test_open_inference_reads_binary_tensors(server: Server) -> None:
    texts = ["good", "☕ bad"]
    tail = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)
    body = tensor(shape=[2], parameters={"binary_data_size": len(tail)})
    del body["inputs"][0]["data"]
    head = json.dumps(body).encode()
    headers = {"inference-header-content-length": str(len(head))}
    status, _, answer = server.request("POST", "/v2/models/tiny/infer", head + tail, headers)
    assert status == 200
    assert json.loads(answer)["outputs"][0]["shape"] == [2]


# All of them


@pytest.mark.parametrize("path", ["/predict", "/", "/classify", "/v1/embeddings", "/v2/models/tiny/infer"])
@pytest.mark.parametrize("body", [b"", b"{", b'{"inputs": "\xff"}', b'{"inputs": "\\ud800"}', b"[" * 100_000])
def test_what_is_not_json_is_400(server: Server, path: str, body: bytes) -> None:
    status, _, answer = server.request("POST", path, body, {"content-type": "application/json"})
    assert status in (400, 422)
    assert b"error" in answer


def test_other_media_types_are_refused(server: Server) -> None:
    body = b'{"inputs": "good"}'
    assert server.request("POST", "/predict", body, {"content-type": "application/x-www-form-urlencoded"})[0] == 415
    zipped = {"content-type": "application/json", "content-encoding": "gzip"}
    assert server.request("POST", "/predict", body, zipped)[0] == 415
    assert server.request("POST", "/predict", body, {"content-type": "application/json; charset=utf-8"})[0] == 200


TEI_ERROR, OPENAI_ERROR, ERROR_ALONE = {"error", "error_type"}, {"message", "type", "param", "code"}, {"error"}


def error_fields(answer: bytes) -> set[str]:
    """Which form of error it is: OpenAI's is an object in an object."""
    error = json.loads(answer)
    return set(error["error"]) if isinstance(error["error"], dict) else set(error)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/predict/nope", TEI_ERROR),
        ("/embed/", TEI_ERROR),
        ("/models", ERROR_ALONE),
        ("/models/tiny/nope", ERROR_ALONE),
        ("/v1", OPENAI_ERROR),
        ("/v1/completions", OPENAI_ERROR),
        ("/v1/models/tiny/nope", OPENAI_ERROR),
        ("/classify/nope", OPENAI_ERROR),
        ("/v2/nope", ERROR_ALONE),
        ("/v2/models/tiny/versions/1/nope", ERROR_ALONE),
        ("/nope", TEI_ERROR),
        ("/v3/models", TEI_ERROR),
        ("/metrics/nope", TEI_ERROR),
    ],
)
def test_a_wrong_path_is_refused_in_the_dialect_of_the_longest_known_part(
    server: Server, path: str, form: set[str]
) -> None:
    status, headers, answer = server.request("POST", path, {})
    assert (status, headers["content-type"]) == (404, "application/json")
    assert error_fields(answer) == form


@pytest.mark.parametrize(
    ("method", "path", "allowed", "form"),
    [
        ("DELETE", "/predict", "POST", TEI_ERROR),
        ("PUT", "/models/tiny", "POST", ERROR_ALONE),
        ("DELETE", "/", "GET, HEAD, POST", ERROR_ALONE),
        ("GET", "/classify", "POST", OPENAI_ERROR),
        ("GET", "/v1/classify", "POST", OPENAI_ERROR),
        ("GET", "/v1/embeddings", "POST", OPENAI_ERROR),
        ("POST", "/v1/models", "GET, HEAD", OPENAI_ERROR),
        ("DELETE", "/v1/models/tiny", "GET, HEAD", OPENAI_ERROR),
        ("GET", "/v2/models/tiny/infer", "POST", ERROR_ALONE),
        ("POST", "/status", "GET, HEAD", TEI_ERROR),
        ("POST", "/openapi.json", "GET, HEAD", TEI_ERROR),
    ],
)
def test_a_wrong_method_is_refused_in_the_dialect_of_the_path(
    server: Server, method: str, path: str, allowed: str, form: set[str]
) -> None:
    status, headers, answer = server.request(method, path)
    assert (status, headers["allow"]) == (405, allowed)
    assert error_fields(answer) == form


@pytest.mark.parametrize(("bundle", "name"), [("mini", "sst2-mini"), ("tiny", "tiny")])
def test_answers_are_the_library_s_to_the_bit_whatever_else_is_asked(
    server: Server, sentences: list[str], bundle: str, name: str, request: pytest.FixtureRequest
) -> None:
    """One text per request, eight at a time: batches form as requests come, and no answer depends on them."""
    expected = Classifier.load(request.getfixturevalue(bundle)).scores(sentences)
    before = server.metric("te_batch_next_size_count")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: server.post("/classify", {"model": name, "input": text}), sentences))
    got = np.array([answer["data"][0]["probs"] for answer in answers], np.float32)
    assert server.metric("te_batch_next_size_count") - before < len(sentences), "no batch had two texts"
    np.testing.assert_array_equal(got, expected)
    listed = server.post("/classify", {"model": name, "input": sentences})
    np.testing.assert_array_equal(np.array([row["probs"] for row in listed["data"]], np.float32), expected)
