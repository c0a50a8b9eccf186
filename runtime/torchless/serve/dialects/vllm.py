"""vLLM's classification: POST /classify, also at /v1/classify. Its errors are OpenAI's."""

from __future__ import annotations

import time
import uuid
from typing import Literal

import msgspec

from torchless.inputs.arguments import Side
from torchless.serve.call import Call, refuse_other_side
from torchless.serve.errors import InvalidError
from torchless.serve.operation import Dialect, Operation

from .openai import Error, error


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
    limit, wanted = model.manifest.max_tokens, body.truncate_prompt_tokens
    if wanted not in (None, -1, limit):
        raise InvalidError(f"truncate_prompt_tokens: this model cuts at {limit} tokens, got {wanted}")
    refuse_other_side("truncation_side", body.truncation_side, model.manifest.truncation_side)
    rows = await (call.scores if _uses_activation(body) else call.logits)(model, body.input)
    labels = model.manifest.labels
    data = [
        Classified(index, labels[best], row, len(labels))
        for index, (row, best) in enumerate(zip(rows.tolist(), rows.argmax(axis=1).tolist(), strict=True))
    ]
    tokens = call.token_count
    return Response(f"classify-{uuid.uuid4().hex}", int(time.time()), model.name, data, Usage(tokens, tokens))


def _uses_activation(body: Request) -> bool:
    given = {each for each in (body.use_activation, body.activation, body.softmax) if each is not None}
    if len(given) > 1:
        raise InvalidError("use_activation: its earlier names activation and softmax say something else")
    return given != {False}


VLLM = Dialect(
    "vllm",
    "vLLM's classification, which SGLang and Dynamo speak too.",
    (
        Operation("POST", "/classify", classify, "Label texts", Request, Response),
        Operation("POST", "/v1/classify", classify, "Label texts", Request, Response),
    ),
    error,
    Error,
)
