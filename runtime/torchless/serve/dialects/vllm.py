"""vLLM's classification and scores of pairs: POST /classify and /score, also at /v1/…. Its errors are OpenAI's.

Its reranking is in `cohere.py` and `rerank.py`, whose paths it shares.
"""

from __future__ import annotations

import time
import uuid
from typing import Literal

import msgspec

from torchless.inputs.arguments import Side, TextPair
from torchless.serve.call import Call, check_truncation
from torchless.serve.errors import InvalidError
from torchless.serve.operation import Dialect, Operation

from .openai import Error, error
from .rank import score_pairs


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """Texts to label. With `use_activation: false`, `probs` are logits.

    `activation` and `softmax` are earlier names of `use_activation`. Ids, priority and user change no answer.
    """

    input: str | list[str]
    model: str | None = None
    use_activation: bool | None = None
    activation: bool | None = None
    softmax: bool | None = None
    truncate_prompt_tokens: int | None = None
    truncation_side: Side | None = None
    add_special_tokens: Literal[True] | None = None
    priority: int = 0
    request_id: str | None = None
    rid: str | None = None
    user: str | None = None


class Usage(msgspec.Struct):
    """Tokens that were read, special ones included."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int = 0


class Classified(msgspec.Struct):
    """One text's best label, and the score of every label in the order of the model."""

    index: int
    label: str
    probs: list[float]
    num_classes: int


class Response(msgspec.Struct):
    """One classification per text."""

    id: str
    created: int
    model: str
    data: list[Classified]
    usage: Usage
    object: str = "list"


async def classify(call: Call, body: Request) -> Response:
    """The best label of every text, and the scores of all."""
    model = call.model(body.model)
    check_truncation(model, body.truncate_prompt_tokens, body.truncation_side)
    raw = scores_under(body.use_activation, body.activation, body.softmax) == "none"
    rows = await (call.logits if raw else call.scores)(model, body.input)
    labels = model.manifest.labels
    data = [
        Classified(index, labels[best], row, len(labels))
        for index, (row, best) in enumerate(zip(rows.tolist(), rows.argmax(axis=1).tolist(), strict=True))
    ]
    tokens = call.token_count
    return Response(f"classify-{uuid.uuid4().hex}", int(time.time()), model.name, data, Usage(tokens, tokens))


def scores_under(*names: bool | None) -> Literal["none"] | None:
    """The activation that `use_activation`, or its earlier names, ask for: none, or the model's own for None.

    Raises:
        InvalidError: they say different things.
    """
    given = {each for each in names if each is not None}
    if len(given) > 1:
        raise InvalidError("use_activation: its earlier names activation and softmax say something else")
    return "none" if given == {False} else None


Texts = str | list[str]


class ScoreRequest(msgspec.Struct, forbid_unknown_fields=True):
    """One text or several on each side: the first with each of the second, or as many, pair by pair.

    The sides have four pairs of names: text_1 and text_2, queries and documents, queries and items, data_1 and data_2.
    """

    text_1: Texts | None = None
    text_2: Texts | None = None
    queries: Texts | None = None
    documents: Texts | None = None
    items: Texts | None = None
    data_1: Texts | None = None
    data_2: Texts | None = None
    model: str | None = None
    use_activation: bool | None = None
    activation: bool | None = None
    truncate_prompt_tokens: int | None = None
    truncation_side: Side | None = None
    padding: Literal["do_not_pad"] | None = None
    priority: int = 0
    request_id: str | None = None
    user: str | None = None
    cache_salt: str | None = None


class Score(msgspec.Struct):
    """One pair's score."""

    index: int
    score: float
    object: Literal["score"] = "score"


class ScoreResponse(msgspec.Struct):
    """One score per pair."""

    id: str
    created: int
    model: str
    data: list[Score]
    usage: Usage
    object: Literal["list"] = "list"


async def score(call: Call, body: ScoreRequest) -> ScoreResponse:
    """How well the texts of each pair belong together."""
    model = call.model(body.model)
    check_truncation(model, body.truncate_prompt_tokens, body.truncation_side)
    activation = scores_under(body.use_activation, body.activation)
    scores = await score_pairs(call, model, _pairs(*_sides(body)), activation=activation)
    data = [Score(index, each) for index, each in enumerate(scores.tolist())]
    tokens = call.token_count
    return ScoreResponse(f"score-{uuid.uuid4().hex}", int(time.time()), model.name, data, Usage(tokens, tokens))


_SIDES = (("text_1", "text_2"), ("queries", "documents"), ("queries", "items"), ("data_1", "data_2"))


def _sides(body: ScoreRequest) -> tuple[Texts, Texts]:
    """What the two sides are, under whichever names."""
    given = {name for names in _SIDES for name in names if getattr(body, name) is not None}
    for names in _SIDES:
        if given == set(names):
            return getattr(body, names[0]), getattr(body, names[1])
    expected = ", or ".join(" and ".join(names) for names in _SIDES)
    raise InvalidError(f"expected {expected}, got {', '.join(sorted(given)) or 'none of them'}")


def _pairs(first: Texts, second: Texts) -> list[TextPair]:
    """The pairs of two sides, of which the first may be one text for all of the second."""
    firsts, seconds = ([side] if isinstance(side, str) else side for side in (first, second))
    if len(firsts) == 1:
        firsts = firsts * len(seconds)
    if len(firsts) != len(seconds):
        raise InvalidError(
            f"expected one text on the first side, or as many as on the second, got {len(firsts)} and {len(seconds)}"
        )
    return list(map(TextPair, firsts, seconds))


VLLM = Dialect(
    "vllm",
    "vLLM's classification, which SGLang and Dynamo speak too, and its scores of pairs.",
    (
        Operation("POST", "/classify", classify, "Label texts", Request, Response),
        Operation("POST", "/v1/classify", classify, "Label texts", Request, Response),
        Operation("POST", "/score", score, "Score pairs of texts", ScoreRequest, ScoreResponse),
        Operation("POST", "/v1/score", score, "Score pairs of texts", ScoreRequest, ScoreResponse),
    ),
    error,
    Error,
)
