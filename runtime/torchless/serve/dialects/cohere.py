"""Reranking as Cohere's and Jina's clients ask for it: POST /v1/rerank and /v2/rerank, where vLLM answers too.

The three share their paths and most fields. Fields of one of them that change the answer are refused unless they ask
for what this server does.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

import msgspec

from torchless.errors import TorchlessError
from torchless.inputs.arguments import Side
from torchless.serve.call import Call, check_truncation
from torchless.serve.errors import InvalidError
from torchless.serve.operation import Dialect, Operation, public_message
from torchless.serve.served_model import ServedModel

from .rank import rank_documents
from .vllm import scores_under

Documents = list[str | dict[str, str]]  # an object has its text in `text`; its other fields are given back


class Spans(msgspec.Struct, forbid_unknown_fields=True):
    """Whether the relevant spans of a document are wanted; there are none here."""

    mode: Literal["disabled"]
    threshold: float | None = None


class RerankRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A query, and documents to rank by it. `top_n`: at most so many of them are answered; 0 or null for all.

    `return_documents` is false for Cohere's clients, else true, if it is not given. Ids, priority, user, `cache_salt`
    and `padding` change no answer.
    """

    query: str
    documents: Documents
    model: str | None = None
    top_n: Annotated[int, msgspec.Meta(ge=0)] | None = None
    return_documents: bool | None = None
    rank_fields: list[str] | None = None
    max_chunks_per_doc: int | None = None
    max_tokens_per_doc: Annotated[int, msgspec.Meta(ge=0)] | None = None
    max_tokens_per_query: Annotated[int, msgspec.Meta(ge=0)] | None = None
    relevant_spans: Spans | None = None
    return_embeddings: Literal[False] | None = None
    use_activation: bool | None = None
    activation: bool | None = None
    truncate_prompt_tokens: int | None = None
    truncation_side: Side | None = None
    padding: Literal["do_not_pad"] | None = None
    priority: int | None = None
    request_id: str | None = None
    user: str | None = None
    cache_salt: str | None = None


class Result(msgspec.Struct, omit_defaults=True):
    """A document's place in the request, its score, and the document if it was asked for."""

    index: int
    relevance_score: float
    document: dict[str, str] | None = None


class Usage(msgspec.Struct):
    """Tokens that were read, special ones and those of the query in every pair included."""

    prompt_tokens: int
    total_tokens: int


class Version(msgspec.Struct):
    """The version of Cohere's API."""

    version: str


class Tokens(msgspec.Struct):
    """The same tokens, where Cohere's clients look for them."""

    input_tokens: int


class Meta(msgspec.Struct):
    """What Cohere's clients read about the request."""

    api_version: Version
    tokens: Tokens


class Response(msgspec.Struct):
    """The documents, best first."""

    id: str
    model: str
    results: list[Result]
    usage: Usage
    meta: Meta


class Error(msgspec.Struct):
    """What went wrong."""

    message: str


async def rerank_v1(call: Call, body: RerankRequest) -> Response:
    """The documents, best first."""
    return await rerank(call, body, "1")


async def rerank_v2(call: Call, body: RerankRequest) -> Response:
    """The documents, best first."""
    return await rerank(call, body, "2")


async def rerank(call: Call, body: RerankRequest, version: str) -> Response:
    """The documents, best first, in the form of Cohere, Jina and vLLM."""
    model = call.model(body.model)
    _check_fields(body, model)
    texts = [_text(document, index) for index, document in enumerate(body.documents)]
    wanted = not _is_cohere(call) if body.return_documents is None else body.return_documents
    documents = [{"text": each} if isinstance(each, str) else each for each in body.documents] if wanted else None
    if documents:
        call.hold_texts([value for each in documents for value in each.values()])
    activation = scores_under(body.use_activation, body.activation)
    ranked = await rank_documents(call, model, body.query, texts, activation=activation, top_k=body.top_n or None)
    results = [Result(each.index, each.score, documents[each.index] if documents else None) for each in ranked]
    tokens = call.token_count
    return Response(
        f"rerank-{uuid.uuid4().hex}",
        model.name,
        results,
        Usage(tokens, tokens),
        Meta(Version(version), Tokens(tokens)),
    )


def _check_fields(body: RerankRequest, model: ServedModel) -> None:
    """Refuse what would change the answer and is not done here."""
    check_truncation(model, body.truncate_prompt_tokens, body.truncation_side)
    limit = model.manifest.max_tokens
    for name in ("max_tokens_per_doc", "max_tokens_per_query"):
        if 0 < (getattr(body, name) or 0) < limit:
            raise InvalidError(
                f"{name}: query and document are cut at {limit} tokens together, the longer one first; "
                f"expected {limit} or more, got {getattr(body, name)}"
            )
    if body.max_chunks_per_doc not in (None, 1):
        raise InvalidError("max_chunks_per_doc: a document that is too long is cut, not divided; expected 1")
    if body.rank_fields not in (None, ["text"]):
        raise InvalidError('rank_fields: documents are ranked by their text alone; expected ["text"]')


def _text(document: str | dict[str, str], index: int) -> str:
    if isinstance(document, str):
        return document
    if "text" not in document:
        raise InvalidError(f"documents[{index}]: expected a str, or an object with its text in `text`")
    return document["text"]


def _is_cohere(call: Call) -> bool:
    """Whether Cohere's own client asks, which expects no documents in the answer unless it asks for them."""
    return call.headers.get(b"x-fern-sdk-name") == b"cohere" or b"x-client-name" in call.headers


def error(problem: TorchlessError) -> Error:
    """An error as Cohere's clients show it."""
    return Error(public_message(problem))


COHERE = Dialect(
    "cohere",
    "Reranking as the clients of Cohere, Jina and vLLM ask for it.",
    (
        Operation("POST", "/v1/rerank", rerank_v1, "Rank documents by a query", RerankRequest, Response),
        Operation("POST", "/v2/rerank", rerank_v2, "Rank documents by a query", RerankRequest, Response),
    ),
    error,
    Error,
)
