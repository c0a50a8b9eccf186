"""Hugging Face's Inference API: POST / and POST /models/{name}, as `huggingface_hub.InferenceClient` sends them.

The answer is a list for each text even when there is one: both of their clients read its first element.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from torchless.errors import TorchlessError
from torchless.numerics import ACTIVATIONS
from torchless.serve.call import Call
from torchless.serve.operation import Dialect, Operation, public_message
from torchless.serve.ranking import Scored, rank


class Error(msgspec.Struct):
    """What went wrong."""

    error: str


class Parameters(msgspec.Struct):
    """How to answer."""

    top_k: Annotated[int, msgspec.Meta(ge=1)] | None = None
    function_to_apply: Literal["sigmoid", "softmax", "none"] | None = None


class Request(msgspec.Struct):
    """Texts to label."""

    inputs: str | list[str]
    parameters: Parameters | None = None


async def classify(call: Call, body: Request) -> list[list[Scored]]:
    """The labels of every text, best first: all of them unless top_k says how many."""
    parameters = body.parameters or Parameters()
    texts = [body.inputs] if isinstance(body.inputs, str) else body.inputs
    engine = call.engine()
    if parameters.function_to_apply is None:
        rows = await call.scores(engine, texts)
    else:
        rows = ACTIVATIONS[parameters.function_to_apply](await call.logits(engine, texts))
    return rank(engine.manifest.labels, rows, parameters.top_k)


def error(problem: TorchlessError) -> Error:
    """An error as these clients read it."""
    return Error(public_message(problem))


HUGGINGFACE = Dialect(
    "hugging-face-inference",
    "Hugging Face's Inference API for text classification.",
    (
        Operation("POST", "/", classify, "Label texts", Request, list[list[Scored]]),
        Operation("POST", "/models/{name}", classify, "Label texts, model by name", Request, list[list[Scored]]),
    ),
    error,
    Error,
)
