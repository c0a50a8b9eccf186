"""Documents ranked by a query, by a bundle that reads pairs and has one output: POST /rank.

`score_documents` also answers the dialects of other servers that rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from torchless.answers.documents import Ranked, ranked_documents
from torchless.answers.numerics import ACTIVATIONS, Floats
from torchless.bundle.manifest import Activation
from torchless.inputs.arguments import TextPair
from torchless.reranker import checked_query
from torchless.serve.call import Call
from torchless.serve.errors import InvalidError, TooLargeError
from torchless.serve.operation import Operation
from torchless.serve.served_model import ServedModel


class RankRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A query, and documents to rank by it. `top_k`: at most so many of them are answered."""

    query: str
    documents: list[str]
    top_k: Annotated[int, msgspec.Meta(ge=1)] | None = None
    return_documents: bool = False
    model: str | None = None
    truncate: bool | None = None


class RankedDocument(msgspec.Struct, omit_defaults=True):
    """A document's place in the request, its score and, if it was asked for, its text."""

    index: int
    score: float
    document: str | None = None


async def rank(call: Call, body: RankRequest) -> list[RankedDocument]:
    """The documents, best first."""
    model = call.model(body.model)
    ranked = await rank_documents(
        call, model, body.query, body.documents, top_k=body.top_k, truncate=body.truncate, repeat=body.return_documents
    )
    texts = body.documents if body.return_documents else None
    return [RankedDocument(each.index, each.score, texts[each.index] if texts else None) for each in ranked]


async def rank_documents(
    call: Call,
    model: ServedModel,
    query: str,
    documents: Sequence[str],
    *,
    activation: Activation | None = None,
    top_k: int | None = None,
    truncate: bool | None = None,
    repeat: bool = False,
) -> list[Ranked]:
    """The documents, best first, as `Reranker.rank` returns them.

    Args:
        call: the request.
        model: what ranks.
        query: what is asked.
        documents: n texts.
        activation: as in `score_pairs`.
        top_k: at most so many of them; None for all.
        truncate: as in `Call.logits`.
        repeat: the answer repeats their texts, whose bytes are held meanwhile.

    Raises:
        InvalidError: the model does not rank.
        TooLargeError: the query is too long.
        InputError: the query is blank.
        RequestError, InferenceError: as `Call.logits`.
    """
    require_ranking(model)
    most = call.service.settings.max_text_characters
    if len(query) > most:
        raise TooLargeError(f"query: expected at most {most} characters, got {len(query)}")
    query = checked_query(query)
    pairs = [TextPair(query, document) for document in documents]
    if repeat:
        call.hold_texts(documents)
    scores = await score_pairs(call, model, pairs, activation=activation, truncate=truncate)
    truncated = call.queued.tokens.truncated if call.queued and documents else []
    return ranked_documents(scores, truncated, top_k)


async def score_pairs(
    call: Call,
    model: ServedModel,
    pairs: Sequence[TextPair],
    *,
    activation: Activation | None = None,
    truncate: bool | None = None,
) -> Floats:
    """A score for every pair: float32 (n,).

    Args:
        call: the request.
        model: what scores.
        pairs: n of query and document.
        activation: what turns logits into scores; None as sentence-transformers' CrossEncoder has it.
        truncate: as in `Call.logits`.

    Raises:
        InvalidError: the model does not rank.
        RequestError, InferenceError: as `Call.logits`.
    """
    require_ranking(model)
    logits = await call.logits(model, pairs, truncate=truncate)
    return ACTIVATIONS[activation or model.manifest.ranking_activation](logits)[:, 0]


def require_ranking(model: ServedModel) -> None:
    """Refuse a model that does not rank.

    Raises:
        InvalidError: it reads single texts, or has no output or several.
    """
    if not model.manifest.ranks or model.classifier is None:
        raise InvalidError(f"{model.name} does not rank: that takes a model that reads pairs and has one output")


RANK = Operation("POST", "/rank", rank, "Rank documents by a query", RankRequest, list[RankedDocument])
