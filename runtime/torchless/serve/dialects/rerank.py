"""POST /rerank, which two dialects share: text-embeddings-inference ranks `texts`, vLLM and Jina `documents`."""

from __future__ import annotations

from typing import Literal

import msgspec

from torchless.serve.call import Call, refuse_other_side
from torchless.serve.errors import InvalidError
from torchless.serve.operation import Operation

from . import cohere
from .rank import rank_documents


class EitherRequest(cohere.RerankRequest, forbid_unknown_fields=True, kw_only=True):
    """A query, and either `texts` with the fields of text-embeddings-inference, or `documents` with those of vLLM.

    The former are `truncate`, `truncation_direction`, `raw_scores` and `return_text`; all others are the latter's, and
    `top_n`, which LiteLLM sends beside texts, is both's.
    """

    documents: cohere.Documents | None = None  # type: ignore[assignment]  # one of the two is there
    texts: list[str] | None = None
    truncate: bool | None = None
    truncation_direction: Literal["left", "right", "Left", "Right"] | None = None
    raw_scores: bool | None = None
    return_text: bool | None = None


_SHARED = {"query", "top_n"}
_TEI = {*EitherRequest.__struct_fields__} - {*cohere.RerankRequest.__struct_fields__} | _SHARED


class Rank(msgspec.Struct, omit_defaults=True):
    """A text's place in the request, its score and, if it was asked for, the text."""

    index: int
    score: float
    text: str | None = None


async def rerank(call: Call, body: EitherRequest) -> list[Rank] | cohere.Response:
    """The texts or documents, best first; each dialect in its own form."""
    if (body.texts is None) == (body.documents is None):
        raise InvalidError("expected texts (as text-embeddings-inference has it) or documents (vLLM, Jina, Cohere)")
    given = {name for name in body.__struct_fields__ if getattr(body, name) is not None}
    if body.texts is None:
        _refuse(given & (_TEI - _SHARED), "documents")
        return await cohere.rerank(call, body, "1")
    _refuse(given - _TEI, "texts")
    return await _rank_texts(call, body, body.texts)


async def _rank_texts(call: Call, body: EitherRequest, texts: list[str]) -> list[Rank]:
    """Scores are those of TEI: a sigmoid whatever the model's activation is, or none for raw ones."""
    model, repeat = call.model(), bool(body.return_text)
    refuse_other_side("truncation_direction", body.truncation_direction, model.manifest.truncation_side)
    activation: Literal["none", "sigmoid"] = "none" if body.raw_scores else "sigmoid"
    top_k = body.top_n or None
    ranked = await rank_documents(
        call, model, body.query, texts, activation=activation, top_k=top_k, truncate=body.truncate, repeat=repeat
    )
    return [Rank(each.index, each.score, texts[each.index] if repeat else None) for each in ranked]


def _refuse(names: set[str], beside: str) -> None:
    if names:
        raise InvalidError(f"{', '.join(sorted(names))}: not allowed beside {beside}, which is another dialect's")


RERANK = Operation("POST", "/rerank", rerank, "Rank texts by a query", EitherRequest, (list[Rank], cohere.Response))
