"""Hugging Face's Inference API: POST / and POST /models/{name}, as `huggingface_hub.InferenceClient` sends them.

A bundle that labels tokens answers as transformers' token-classification pipeline, one without a head with embeddings,
as text-embeddings-inference does at this path. Of other bundles, a request with
`candidate_labels` asks for zero-shot classification, every other one for text classification, which is answered with
one list per text, even for a lone text: both of their clients read its first element.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

import msgspec

from torchless.answers.numerics import ACTIVATIONS
from torchless.answers.spans import Aggregation
from torchless.errors import TorchlessError
from torchless.serve.call import Call
from torchless.serve.errors import InvalidError, TooLargeError
from torchless.serve.operation import Dialect, Operation, public_message
from torchless.serve.served_model import ServedModel
from torchless.token_classifier import OUTSIDE
from torchless.zero_shot import TEMPLATE

from .labels import Scored, rank
from .tagging import Entity, Stride, tag_entities
from .tei import Direction, EmbedRequest, embed
from .zero_shot import Labels, score_labels


class Error(msgspec.Struct):
    """What went wrong."""

    error: str


class Parameters(msgspec.Struct, forbid_unknown_fields=True):
    """How to answer: arguments of transformers' pipelines. `padding` and `batch_size` change no answer."""

    aggregation_strategy: Aggregation | None = None
    ignore_labels: list[str] | None = None
    stride: Stride | None = None
    top_k: Annotated[int, msgspec.Meta(ge=1)] | None = None
    function_to_apply: Literal["sigmoid", "softmax", "none"] | None = None
    return_all_scores: bool | None = None
    candidate_labels: Labels | str | None = None
    hypothesis_template: str | None = None
    multi_label: bool | None = None
    multi_class: bool | None = None
    truncation: bool | Literal["longest_first", "only_first", "do_not_truncate"] | None = None
    max_length: int | None = None
    padding: bool | str | None = None
    batch_size: int | None = None


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """Texts to label or to embed. `options` are about Hugging Face's service, and change no answer."""

    inputs: str | list[str]
    parameters: Parameters | None = None
    options: dict[str, Any] | None = None
    normalize: bool | None = None
    truncate: bool | None = None
    truncation_direction: Direction | None = None
    prompt_name: str | None = None
    dimensions: int | None = None
    encoding_format: Literal["float"] | None = None


class Ranked(msgspec.Struct):
    """A text, and its candidate labels with their scores, best first."""

    sequence: str
    labels: list[str]
    scores: list[float]


Answer = (
    list[list[Scored]] | Ranked | list[Ranked] | list[Scored] | list[Entity] | list[list[Entity]] | list[list[float]]
)
# What a request to a bundle without a head may say, and no other.
_OF_EMBEDDINGS = ("normalize", "truncate", "truncation_direction", "prompt_name", "dimensions", "encoding_format")
# What a request to a bundle that labels tokens may say, and no other.
_OF_TAGS = ("aggregation_strategy", "ignore_labels", "stride")
_OF_LABELS = (
    *("top_k", "function_to_apply", "return_all_scores", "candidate_labels"),
    *("hypothesis_template", "multi_label", "multi_class"),
)


async def classify(call: Call, body: Request) -> Answer:
    """The labels of every text, best first: the model's own, or those of the request; or a tagger's labelled parts.

    A bundle without a head answers with embeddings.
    """
    model = call.model()
    if model.classifier is None and model.tagger is None:
        return await _embed(call, body)
    for name in _OF_EMBEDDINGS:
        if getattr(body, name) is not None:
            raise InvalidError(f"{name} does not go with this model, which labels; texts to embed go to /embed")
    parameters = body.parameters or Parameters()
    truncate = _truncate(parameters, model)
    if model.tagger is not None:
        return await _tags(call, model, body.inputs, parameters)
    _refuse(parameters, _OF_TAGS, f"{model.name} labels texts, not tokens")
    if parameters.candidate_labels is not None:
        return await _zero_shot(call, model, body.inputs, parameters, truncate)
    for name in ("hypothesis_template", "multi_label", "multi_class"):
        if getattr(parameters, name) is not None:
            raise InvalidError(f"parameters.{name} belongs to candidate_labels, which are missing")
    if activation := parameters.function_to_apply or model.manifest.pipeline_activation:
        rows = ACTIVATIONS[activation](await call.logits(model, body.inputs, truncate=truncate))
    else:
        rows = await call.scores(model, body.inputs, truncate=truncate)
    top_k = 1 if parameters.top_k is None and parameters.return_all_scores is False else parameters.top_k
    return rank(model.manifest.labels, rows, top_k)


async def _embed(call: Call, body: Request) -> list[list[float]]:
    if body.parameters is not None and body.parameters != Parameters():
        raise InvalidError("parameters do not go with this model, which has no head; /embed says what does")
    given = {name: value for name in _OF_EMBEDDINGS if (value := getattr(body, name)) is not None}
    return await embed(call, EmbedRequest(body.inputs, **given))


async def _tags(
    call: Call, model: ServedModel, inputs: str | list[str], parameters: Parameters
) -> list[Entity] | list[list[Entity]]:
    """A long text is read in windows; `truncation` asks for it to be cut."""
    _refuse(parameters, _OF_LABELS, f"{model.name} labels tokens, not texts")
    return await tag_entities(
        call,
        model,
        inputs,
        parameters.aggregation_strategy or "simple",
        ignore_labels=OUTSIDE if parameters.ignore_labels is None else parameters.ignore_labels,
        stride=parameters.stride,
        truncate=parameters.truncation not in (None, False, "do_not_truncate"),
    )


def _refuse(parameters: Parameters, names: tuple[str, ...], why: str) -> None:
    for name in names:
        if getattr(parameters, name) is not None:
            raise InvalidError(f"parameters.{name} does not go with this model: {why}")


async def _zero_shot(
    call: Call, model: ServedModel, inputs: str | list[str], parameters: Parameters, truncate: bool | None
) -> Ranked | list[Ranked] | list[Scored]:
    for name in ("function_to_apply", "return_all_scores"):
        if getattr(parameters, name) is not None:
            raise InvalidError(f"parameters.{name} does not go with candidate_labels")
    if parameters.truncation == "longest_first":
        raise InvalidError("parameters.truncation: beside candidate_labels the text alone is cut; expected only_first")
    if len({parameters.multi_label, parameters.multi_class} - {None}) > 1:
        raise InvalidError("parameters.multi_class: multi_label, its later name, says something else")
    labels = parameters.candidate_labels or ""
    if isinstance(labels, str):  # as the pipeline reads it
        if labels.count(",") > (most := call.service.settings.max_batch_texts):  # before each becomes an object
            raise TooLargeError(f"parameters.candidate_labels: expected at most {most} labels")
        labels = [label.strip() for label in labels.split(",") if label.strip()]
        if not labels:
            raise InvalidError("parameters.candidate_labels: expected one label or more, got none")
    template = TEMPLATE if parameters.hypothesis_template is None else parameters.hypothesis_template
    multi_label = bool(parameters.multi_class if parameters.multi_label is None else parameters.multi_label)
    rows = rank(
        labels, await score_labels(call, model, inputs, labels, template, multi_label, truncate), parameters.top_k
    )
    return _as_read(call, inputs, rows)


def _as_read(call: Call, inputs: str | list[str], rows: list[list[Scored]]) -> Ranked | list[Ranked] | list[Scored]:
    """The pipeline's form; of a lone text, what the client reads.

    huggingface_hub since 1.1.5 reads a list of labels and scores, @huggingface/inference before 4.5 one of answers.
    """
    if not isinstance(inputs, str):
        return [_ranked(text, row) for text, row in zip(inputs, rows, strict=True)]
    if (version := _version(call, rb"\bhf_hub")) and version >= (1, 1, 5):
        return rows[0]
    ranked = _ranked(inputs, rows[0])
    return [ranked] if (version := _version(call, b"^@huggingface/inference")) and version < (4, 5, 0) else ranked


def _ranked(text: str, row: list[Scored]) -> Ranked:
    return Ranked(text, [each.label for each in row], [each.score for each in row])


def _version(call: Call, client: bytes) -> tuple[int, ...] | None:
    """That of a client, by its User-Agent; None for others."""
    found = re.search(client + rb"/(\d{1,4})\.(\d{1,4})\.(\d{1,4})", call.headers.get(b"user-agent", b""))
    return tuple(map(int, found.groups())) if found else None


def _truncate(parameters: Parameters, model: ServedModel) -> bool | None:
    limit = model.manifest.max_tokens
    if parameters.max_length not in (None, limit):
        raise InvalidError(f"parameters.max_length: this model cuts at {limit} tokens, got {parameters.max_length}")
    return False if parameters.truncation in (False, "do_not_truncate") else None


def error(problem: TorchlessError) -> Error:
    """An error as these clients read it."""
    return Error(public_message(problem))


_ANSWERS = get_args(Answer)
HUGGINGFACE = Dialect(
    "hugging-face-inference",
    "Hugging Face's Inference API for text, zero-shot and token classification, and feature extraction.",
    (
        Operation("POST", "/", classify, "Label or embed texts", Request, _ANSWERS),
        Operation("POST", "/models/{name}", classify, "The same with a named model", Request, _ANSWERS),
    ),
    error,
    Error,
)
