"""OpenAI's embeddings: /v1/embeddings, /v1/models and /v1/models/{name}, as the `openai` package sends them."""

from __future__ import annotations

import base64
from typing import Annotated, Literal

import msgspec

from torchless.errors import TorchlessError
from torchless.serve.call import Call, check_dimensions, check_truncation
from torchless.serve.errors import InvalidError, status_of
from torchless.serve.operation import Dialect, Operation, public_message


class Problem(msgspec.Struct):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(msgspec.Struct):
    """What went wrong, wrapped."""

    error: Problem


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """Texts to embed. A vector in base64 is its little-endian float32 bytes.

    `user`, and what gateways and load testers add (`drop_params`, `priority`, `request_id`), change no answer.
    """

    input: str | list[str | int | list[int]]
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, msgspec.Meta(ge=1)] | None = None
    user: str | None = None
    truncate_prompt_tokens: int | None = None
    drop_params: bool | None = None
    priority: int | None = None
    request_id: str | None = None


class Usage(msgspec.Struct):
    """Tokens that were read, special ones included."""

    prompt_tokens: int
    total_tokens: int


class Embedding(msgspec.Struct):
    """One text's vector."""

    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class Response(msgspec.Struct):
    """One vector per text."""

    data: list[Embedding]
    model: str
    usage: Usage
    object: Literal["list"] = "list"


class Model(msgspec.Struct):
    """A model that requests can name."""

    id: str
    created: int = 0
    object: Literal["model"] = "model"
    owned_by: str = "torchless"


class Models(msgspec.Struct):
    """All models."""

    data: list[Model]
    object: Literal["list"] = "list"


async def embeddings(call: Call, body: Request) -> Response:
    """One vector per text, scaled to length 1."""
    model = call.model(body.model)
    check_dimensions(model, body.dimensions)
    check_truncation(model, body.truncate_prompt_tokens, None)
    vectors = await call.embeddings(model, _texts(body.input))
    rows: list[list[float] | str]
    if body.encoding_format == "base64":
        rows = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors]
    else:
        rows = [row.tolist() for row in vectors]
    tokens = call.token_count
    data = [Embedding(index, row) for index, row in enumerate(rows)]
    return Response(data, model.name, Usage(tokens, tokens))


def _texts(given: str | list[str | int | list[int]]) -> str | list[str]:
    """Refuse token ids: those of OpenAI's own tokenizer, which its clients for other models may send, fit no other."""
    if not isinstance(given, str) and any(not isinstance(each, str) for each in given):
        raise InvalidError(
            "input: expected texts, got token ids; let the client send texts (LangChain's OpenAIEmbeddings: "
            "check_embedding_ctx_length=False)"
        )
    return given  # type: ignore[return-value]  # no other element is left


async def models(call: Call, _body: None) -> Models:
    """The names of the models."""
    return Models([Model(name) for name in call.service.sources])


async def model(call: Call, _body: None) -> Model:
    """One model by its name."""
    return Model(call.model().name)


_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


def error(problem: TorchlessError) -> Error:
    """An error as OpenAI's clients read it."""
    status = status_of(problem)
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return Error(Problem(public_message(problem), kind, None, None))


OPENAI = Dialect(
    "openai",
    "OpenAI's embeddings, as its Python package asks for them.",
    (
        Operation("POST", "/v1/embeddings", embeddings, "Embed texts", Request, Response),
        Operation("GET", "/v1/models", models, "Names of the models", None, Models),
        Operation("GET", "/v1/models/{name}", model, "A model", None, Model),
    ),
    error,
    Error,
)
