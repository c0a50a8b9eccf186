"""Which bodies are read, and which a page in a browser cannot send."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from typing import Any

import pytest

from .conftest import Server

INFER = "/v2/models/tiny/infer"
TENSOR = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["good"]}]}
BODIES: dict[str, Any] = {
    "/predict": {"inputs": "good"},
    "/embed": {"inputs": "good"},
    "/tokenize": {"inputs": "good"},
    "/": {"inputs": "good"},
    "/models/tiny": {"inputs": "good"},
    "/zero-shot": {"inputs": "good", "candidate_labels": ["a"]},
    "/classify": {"input": "good"},
    "/v1/classify": {"input": "good"},
    "/v1/embeddings": {"input": "good"},
    "/admin/reload": {},
    INFER: TENSOR,
    "/v2/models/tiny/versions/1/infer": TENSOR,
}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/plain;application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ],
)
def test_what_a_form_can_send_is_415(server: Server, path: str, kind: str) -> None:
    headers = {"content-type": kind, "inference-header-content-length": "10"}
    assert server.request("POST", path, json.dumps(BODIES[path]).encode(), headers)[0] == 415


@pytest.mark.parametrize("path", BODIES)
def test_a_body_without_a_type_is_415(server: Server, path: str) -> None:
    assert server.request("POST", path, json.dumps(BODIES[path]).encode())[0] == 415
    assert server.request("POST", path, json.dumps(BODIES[path]).encode(), {"content-type": ""})[0] == 415


@pytest.mark.parametrize("path", BODIES)
def test_a_compressed_body_is_415_and_says_so(server: Server, path: str) -> None:
    body = json.dumps(BODIES[path]).encode()
    for coding, compressed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body)), ("br, identity", body)):
        headers = {"content-type": "application/json", "content-encoding": coding}
        status, headers, answer = server.request("POST", path, compressed, headers)
        assert (status, headers["accept-encoding"]) == (415, "identity")
        assert b"not compressed" in answer
    headers = {"content-type": "application/json", "content-encoding": "Identity"}
    assert server.request("POST", path, body, headers)[0] not in (415, 500)


def test_a_body_compressed_on_its_way_is_415(server: Server) -> None:
    body = gzip.compress(b'{"inputs": "good"}')
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    head += b"transfer-encoding: gzip, chunked\r\n\r\n"
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        connection.sendall(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        assert connection.recv(100).startswith(b"HTTP/1.1 415 ")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json"},
        {"content-type": "application/vnd.kserve+json"},
        {"content-type": "application/octet-stream"},
        {"inference-header-content-length": "{size}"},
        {"content-type": "application/octet-stream", "inference-header-content-length": "{size}"},
        {"user-agent": "python/gevent-http-client-2.6.1"},  # tritonclient, where no tensor is in bytes
    ],
)
def test_tensors_come_as_programs_send_them(server: Server, headers: dict[str, str]) -> None:
    body = json.dumps(TENSOR).encode()
    sent = {name: value.replace("{size}", str(len(body))) for name, value in headers.items()}
    assert server.request("POST", INFER, body, sent)[0] == 200


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "1e3", " ", "99999", "²"])
def test_a_length_that_is_none_is_400(server: Server, length: str) -> None:
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": length}
    assert server.request("POST", INFER, json.dumps(TENSOR).encode(), headers)[0] == 400


@pytest.mark.parametrize("named", [{"model_name": "tiny"}, {"model_name": "tiny", "model_version": "1"}, {}])
@pytest.mark.parametrize(
    "headers",
    [
        {"user-agent": "python-httpx/0.28.1"},
        {"user-agent": "python-httpx2/2.0.0"},
        {"content-type": "application/json"},
    ],
)
def test_kserve_s_client_names_no_type_and_repeats_the_model(
    server: Server, named: dict[str, str], headers: dict[str, str]
) -> None:
    body = json.dumps({"id": "1", **named, **TENSOR}).encode()
    status, _, answer = server.request("POST", INFER, body, headers)
    assert status == 200, answer
    assert json.loads(answer)["id"] == "1"


@pytest.mark.parametrize("named", [{"model_name": "sst2-mini"}, {"model_version": "2"}])
def test_another_model_than_the_path_s_is_refused(server: Server, named: dict[str, str]) -> None:
    status, _, answer = server.request("POST", INFER, {**named, **TENSOR})
    assert status == 422
    assert b"as in the path" in answer
