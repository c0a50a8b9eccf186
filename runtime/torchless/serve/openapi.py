"""The OpenAPI 3.1 document, from the types that decode, validate and encode.

What a type cannot say is said here: statuses, the headers of an answer, and which routes ask for the API key.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from torchless import __version__

from .dialects import DIALECTS
from .operation import Dialect, Operation

_REF = "#/components/schemas/{name}"
# Statuses of every operation that takes a body, and what they mean.
_REFUSALS = {
    "400": "The body is not JSON.",
    "408": "The body did not arrive in time.",
    "413": "More bytes, texts or tokens than the server takes at once.",
    "415": "The body is not said to be JSON, or is compressed.",
    "422": "JSON, but not what the operation takes.",
    "429": "The queue is full; Retry-After says when it will not be.",
    "500": "The model could not answer.",
    "503": "Not ready, or no answer in time.",
}
_TIMES = {
    "x-total-time": "Milliseconds from the request's arrival to its answer.",
    "x-tokenization-time": "Milliseconds that tokenising took.",
    "x-queue-time": "Milliseconds until a worker was free.",
    "x-inference-time": "Milliseconds until the model had answered.",
    "x-compute-tokens": "Tokens that the model read.",
    "x-truncated": "Indexes of the texts that were cut, separated by commas; absent where none was.",
    "x-request-id": "The request's own, or one that was made.",
}


@cache
def document() -> bytes:
    """The document as JSON."""
    types = list(dict.fromkeys(_types()))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    named = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for dialect in DIALECTS:
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
                "description": "Text classification and embeddings, in the dialects that existing clients speak.",
            },
            "tags": [{"name": dialect.name, "description": dialect.description} for dialect in DIALECTS],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            },
        }
    )
    return whole.replace(b"torchless.serve.dialects.", b"")  # types that share a name are told apart by their dialect


def _types() -> Iterable[Any]:
    for dialect in DIALECTS:
        yield dialect.error_type
        for operation in dialect.operations:
            if operation.documented:
                yield from (kind for kind in (operation.request, *_alternatives(operation)) if kind is not None)


def _alternatives(operation: Operation) -> tuple[Any, ...]:
    return operation.response if isinstance(operation.response, tuple) else (operation.response,)


def _describe(dialect: Dialect, operation: Operation, named: dict[Any, Any]) -> dict[str, Any]:
    refusal = {"application/json": {"schema": named[dialect.error_type]}}
    answer: dict[str, Any] = {"description": _first_line(operation.run.__doc__)}
    kind = "text/plain" if operation.response is str else "application/json"
    shapes = [named[shape] for shape in _alternatives(operation)]
    answer["content"] = {kind: {"schema": shapes[0] if len(shapes) == 1 else {"anyOf": shapes}}}
    statuses = {"200": answer}
    if operation.request is not None:
        answer["headers"] = {name: {"description": text, "schema": {"type": "string"}} for name, text in _TIMES.items()}
        statuses |= {status: {"description": text, "content": refusal} for status, text in _REFUSALS.items()}
    if not operation.public:
        statuses["401"] = {"description": "The API key is missing or wrong.", "content": refusal}
    parameters = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    if parameters or "model" in getattr(operation.request, "__struct_fields__", ()):
        statuses["404"] = {"description": "There is none of that name.", "content": refusal}
    if operation.path == "/admin/reload":
        statuses["409"] = {"description": "The bundle cannot be used; what ran before goes on.", "content": refusal}
    if operation.path in ("/ready", "/v2/health/ready") or operation.path.endswith("}/ready"):
        statuses["503"] = {"description": "Not yet, or no longer.", "content": answer["content"]}
    name = operation.path.replace("/", "_").replace("{", "").replace("}", "")
    described: dict[str, Any] = {
        "tags": [dialect.name],
        "operationId": operation.method.lower() + name,
        "summary": operation.summary,
        "description": _first_line(operation.run.__doc__),
        "responses": dict(sorted(statuses.items())),
    }
    if parameters:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in parameters
        ]
    if operation.request is not None:
        body = {"application/json": {"schema": named[operation.request]}}
        described["requestBody"] = {"required": True, "content": body}
    described["security"] = [] if operation.public else [{}, {"key": []}]
    return described


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]
