"""The labelled parts of texts, from a bundle that labels tokens: POST /tag.

`tag_entities` also answers Hugging Face's dialect, in the form of transformers' token-classification pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from torchless.answers.spans import Aggregation
from torchless.answers.spans import Span as Found
from torchless.serve.call import Call
from torchless.serve.errors import InvalidError
from torchless.serve.operation import Operation
from torchless.serve.served_model import ServedModel
from torchless.token_classifier import OUTSIDE

Stride = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class Span(msgspec.Struct):
    """A part of a text and its label; start and end count characters."""

    label: str
    score: float
    start: int
    end: int
    word: str


class Entity(msgspec.Struct, omit_defaults=True):
    """The same as transformers' pipeline has it: with `entity` of a token, with `entity_group` of several."""

    score: float
    word: str
    start: int
    end: int
    entity: str | None = None
    entity_group: str | None = None


class TagRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Texts to tag. Long ones are read in windows that share `stride` tokens, unless `truncate` cuts them."""

    inputs: str | list[str]
    aggregation: Aggregation = "simple"
    ignore_labels: list[str] = msgspec.field(default_factory=lambda: [*OUTSIDE])
    stride: Stride | None = None
    truncate: bool = False
    model: str | None = None


async def tag(call: Call, body: TagRequest) -> list[Span] | list[list[Span]]:
    """The labelled parts of every text; a lone text is answered with a flat list."""
    model = call.model(body.model)
    spans = await find_spans(
        call,
        model,
        body.inputs,
        body.aggregation,
        ignore_labels=body.ignore_labels,
        stride=body.stride,
        truncate=body.truncate,
    )
    rows = [[span_of(each) for each in row] for row in spans]
    return rows[0] if isinstance(body.inputs, str) else rows


def span_of(found: Found) -> Span:
    """A span as JSON has it."""
    return Span(found.label, found.score, found.start, found.end, found.word)


async def find_spans(
    call: Call,
    model: ServedModel,
    texts: str | Sequence[str],
    aggregation: Aggregation = "simple",
    *,
    ignore_labels: Sequence[str] = OUTSIDE,
    stride: int | None = None,
    truncate: bool = False,
) -> list[list[Found]]:
    """The spans of every text, as `TokenClassifier.tag` has them.

    Raises:
        InvalidError: the bundle does not label tokens.
        InvalidError: a stride beside `truncate`.
        InputError: the stride leaves a window no step.
        RequestError, InferenceError: as `Call.tags`.
    """
    tagger = model.require_tagger()
    if truncate and stride is not None:
        raise InvalidError(
            "stride: a text that is cut has one window; leave the stride out, or let the text be read whole"
        )
    tagging, reading = tagger.tagging(aggregation, ignore_labels), tagger.reading(stride, truncate=truncate)
    return [found.spans for found in await call.tags(model, texts, tagging, reading)]


async def tag_entities(
    call: Call,
    model: ServedModel,
    texts: str | Sequence[str],
    aggregation: Aggregation,
    *,
    ignore_labels: Sequence[str],
    stride: int | None,
    truncate: bool,
) -> list[Entity] | list[list[Entity]]:
    """The same, as transformers' pipeline answers it; a lone text is answered with a flat list."""
    name = "entity" if aggregation == "none" else "entity_group"
    spans = await find_spans(
        call, model, texts, aggregation, ignore_labels=ignore_labels, stride=stride, truncate=truncate
    )
    rows = [
        [Entity(each.score, each.word, each.start, each.end, **{name: each.label}) for each in row] for row in spans
    ]
    return rows[0] if isinstance(texts, str) else rows


TAG = Operation("POST", "/tag", tag, "Find the labelled parts of texts", TagRequest, (list[Span], list[list[Span]]))
