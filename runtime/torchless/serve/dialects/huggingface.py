"""Hugging Face's Inference API: POST / and POST /models/{name}, as `huggingface_hub.InferenceClient` sends them.

The answer is one list per text, even for a lone text: both of their clients read its first element.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from torchless.errors import TorchlessError
from torchless.numerics import ACTIVATIONS
from torchless.serve.call import Call
from torchless.serve.operation import Dialect, Operation, public_message

from .labels import Scored, rank


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
    model = call.model()
    if parameters.function_to_apply is None:
        rows = await call.scores(model, body.inputs)
    else:
        rows = ACTIVATIONS[parameters.function_to_apply](await call.logits(model, body.inputs))
    return rank(model.manifest.labels, rows, parameters.top_k)


def error(problem: TorchlessError) -> Error:
    """An error as these clients read it."""
    return Error(public_message(problem))


HUGGINGFACE = Dialect(
    "hugging-face-inference",
    "Hugging Face's Inference API for text classification.",
    (
        Operation("POST", "/", classify, "Label texts", Request, list[list[Scored]]),
        Operation("POST", "/models/{name}", classify, "Label texts with a named model", Request, list[list[Scored]]),
    ),
    error,
    Error,
)
