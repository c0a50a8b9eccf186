"""The OpenAPI 3.1 document, from the operations of the dialects and the types that decode, validate and encode."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from torchless import __version__

from .operation import Dialect, Operation

_REF = "#/components/schemas/{name}"
# Statuses of every operation that takes a body, and what they mean.
_BODY_REFUSALS = {
    400: "The body is not JSON.",
    408: "The body did not arrive in time.",
    413: "More bytes, texts or tokens than the server takes at once.",
    415: "The Content-Type is not JSON, or the body is compressed.",
    422: "JSON, but not what the operation takes.",
    429: "The queue is full; the header Retry-After gives the seconds to wait.",
    500: "The model could not answer.",
    503: "Not ready, or no answer in time.",
}
_TIMES = {
    "x-total-time": "Milliseconds from the request's arrival to its answer.",
    "x-tokenization-time": "Milliseconds that tokenising took.",
    "x-queue-time": "Milliseconds until a worker was free.",
    "x-inference-time": "Milliseconds until the model had answered.",
    "x-compute-tokens": "Tokens that the model read.",
    "x-truncated": "Indexes of the texts that were cut, separated by commas; absent if none was.",
    "x-request-id": "The id that the request gave, or one that the server made.",
}


def document(dialects: tuple[Dialect, ...]) -> bytes:
    """The document as JSON."""
    types = list(dict.fromkeys(_types(dialects)))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    named = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for dialect in dialects:
        for operation in dialect.operations:
            if operation.documented:
                described = _describe(dialect, operation, named)
                paths.setdefault(operation.path, {})[operation.method.lower()] = described
    whole = msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Torchless",
                "version": __version__,
                "description": "Text classification, ranking and embeddings, in the dialects of existing clients.",
            },
            "tags": [{"name": dialect.name, "description": dialect.description} for dialect in dialects],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            },
        }
    )
    return whole.replace(b"torchless.serve.dialects.", b"")  # types that share a name are told apart by their dialect


def _types(dialects: Iterable[Dialect]) -> Iterable[Any]:
    for dialect in dialects:
        yield dialect.error_type
        for operation in dialect.operations:
            if operation.documented:
                yield from (kind for kind in (operation.request, *_alternatives(operation)) if kind is not None)


def _alternatives(operation: Operation) -> tuple[Any, ...]:
    return operation.response if isinstance(operation.response, tuple) else (operation.response,)


def _describe(dialect: Dialect, operation: Operation, named: dict[Any, Any]) -> dict[str, Any]:
    name = operation.path.replace("/", "_").replace("{", "").replace("}", "")
    described: dict[str, Any] = {
        "tags": [dialect.name],
        "operationId": operation.method.lower() + name,
        "summary": operation.summary,
        "description": _first_line(operation.run.__doc__),
        "responses": _responses(dialect, operation, named),
    }
    if operation.parameters:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in operation.parameters
        ]
    if operation.request is not None:
        body = {"application/json": {"schema": named[operation.request]}, **_bytes(operation)}
        described["requestBody"] = {"required": True, "content": body}
    described["security"] = [] if operation.public else [{}, {"key": []}]
    return described


def _responses(dialect: Dialect, operation: Operation, named: dict[Any, Any]) -> dict[str, Any]:
    kind = "text/plain" if operation.response is str else "application/json"
    shapes = [named[shape] for shape in _alternatives(operation)]
    content = {kind: {"schema": shapes[0] if len(shapes) == 1 else {"anyOf": shapes}}, **_bytes(operation)}
    answer: dict[str, Any] = {"description": _first_line(operation.run.__doc__), "content": content}
    if operation.request is not None:
        answer["headers"] = {name: {"description": text, "schema": {"type": "string"}} for name, text in _TIMES.items()}
    refusal = {"application/json": {"schema": named[dialect.error_type]}}
    responses = {200: answer} | {
        status: {"description": text, "content": refusal} for status, text in _refusals(operation).items()
    }
    if operation.readiness:
        responses[503] = {"description": "Not ready: loading, or shutting down.", "content": content}
    return {str(status): responses[status] for status in sorted(responses)}


def _bytes(operation: Operation) -> dict[str, Any]:
    """JSON with tensors in bytes after it."""
    return {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}} if operation.binary else {}


def _refusals(operation: Operation) -> dict[int, str]:
    found = {} if operation.request is None else dict(_BODY_REFUSALS)
    if not operation.public:
        found[401] = "The API key is missing or wrong."
    if operation.names_model:
        found[404] = "There is no model of that name."
    return {**found, **operation.refusals}


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]
