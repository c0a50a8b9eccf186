"""The Open Inference Protocol, version 2 (KServe, Triton): /v2/…, with its binary tensor extension.

https://github.com/kserve/open-inference-protocol; `tensors.py` reads and writes the tensors.

Texts come in as one BYTES tensor. What goes out, unless the request asks for something else, is `label` and `scores`.
Of a bundle that labels tokens it is `spans`, for each text a JSON array of what POST /tag answers.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Annotated, Any, Literal

import msgspec

from torchless import __version__
from torchless.bundle.manifest import GraphKind
from torchless.errors import TorchlessError
from torchless.serve.call import Call
from torchless.serve.encoding import encode
from torchless.serve.errors import InvalidError, MalformedError, NotFoundError
from torchless.serve.json_bounds import check_elements
from torchless.serve.media_types import INFERENCE_HEADER
from torchless.serve.operation import Dialect, Operation, Reply, public_message
from torchless.serve.served_model import ServedModel, Task

from .tagging import find_spans, span_of
from .tensors import Input, Output, WantedOutput, read_texts, write_output, write_texts

_OUTPUTS: dict[str, Task] = {  # and the task that each comes from
    "label": "scores",
    "scores": "scores",
    "logits": "logits",
    "embedding": "embeddings",
    "spans": "tags",
}
_DEFAULT_OUTPUTS: dict[GraphKind, tuple[str, ...]] = {
    "classifier": ("label", "scores"),
    "token_classifier": ("spans",),
    "encoder": ("embedding",),
}
_NUMBERS = ("scores", "logits", "embedding")  # outputs of which `classification` takes the best
_VERSION = "1"
_MOST_DIGITS = 18  # of a number of bytes; Python refuses to read thousands
_MOST_OUTPUTS = 8
_MOST_MICROSECONDS = 2**63 - 1  # Triton's are 64 bits
_SMALL_BYTES = 512


class Error(msgspec.Struct):
    """What went wrong."""

    error: str


class Parameters(msgspec.Struct, forbid_unknown_fields=True):
    """`binary_data_output`: answer in bytes. `timeout`: microseconds to answer in, if the server allows more.

    `priority` changes no answer. Every request is answered by itself, so one of a sequence is refused.
    """

    binary_data_output: bool = False
    content_type: Literal["str"] | None = None
    sequence_id: int | str = 0
    sequence_start: bool = False
    sequence_end: bool = False
    priority: int = 0
    timeout: Annotated[int, msgspec.Meta(ge=0, le=_MOST_MICROSECONDS)] | None = None


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """Texts to label or to embed. KServe's client repeats the model's name, which the path has."""

    inputs: Annotated[list[Input], msgspec.Meta(min_length=1, max_length=1)]
    id: str | None = None
    model_name: str | None = None
    model_version: str | None = None
    parameters: Parameters | None = None
    outputs: Annotated[list[WantedOutput], msgspec.Meta(max_length=_MOST_OUTPUTS)] | None = None


class Response(msgspec.Struct, omit_defaults=True):
    """The outputs that were asked for."""

    model_name: str
    model_version: str
    outputs: list[Output]
    id: str | None = None


class Tensor(msgspec.Struct):
    """An input or output of a model; -1 is any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]


class ServerMetadata(msgspec.Struct):
    """What this server is."""

    name: str
    version: str
    extensions: list[str]


class Live(msgspec.Struct):
    """Whether the process answers."""

    live: bool


class Ready(msgspec.Struct):
    """Whether models are warm."""

    ready: bool


class ModelReady(msgspec.Struct):
    """Whether a model is warm."""

    name: str
    ready: bool


async def infer(call: Call, body: bytes) -> Reply:
    """The outputs for a tensor of texts."""
    model = _model(call)
    request, rest = _split(call, body)
    _refuse_other_model(request, model)
    texts = read_texts(request.inputs[0], rest, call.service.settings.max_batch_texts)
    wanted = request.outputs or [WantedOutput(name) for name in _DEFAULT_OUTPUTS[model.manifest.kind]]
    _check(request, wanted)
    if request.parameters and request.parameters.timeout:
        call.timeout_s = request.parameters.timeout / 1e6
    rows: dict[Task, Any] = {}
    for task, times in Counter(_OUTPUTS[output.name] for output in wanted).items():
        if task == "tags":
            rows[task] = await _spans(call, model, texts, times)
            continue
        call.hold_answer(model, task, len(texts) * (times - 1))
        rows[task] = await getattr(call, task)(model, texts)
    outputs, tails, binary = [], [], request.parameters is not None and request.parameters.binary_data_output
    for output in wanted:
        tensor = rows[_OUTPUTS[output.name]]
        write = write_texts if output.name == "spans" else partial(write_output, labels=model.manifest.labels)
        made, data = write(output, rows=tensor, binary=binary)
        outputs.append(made)
        tails.append(data)
    head = encode(Response(model.name, _VERSION, outputs, request.id))
    if not any(tails):
        return Reply(head)
    return Reply(b"".join((head, *tails)), "application/octet-stream", headers={INFERENCE_HEADER: str(len(head))})


def _refuse_other_model(request: Request, model: ServedModel) -> None:
    named = (("model_name", request.model_name, model.name), ("model_version", request.model_version, _VERSION))
    for field, given, path in named:
        if given not in (None, "", path):
            raise InvalidError(f"{field}: expected {path}, as in the path, got {given[:80]!r}")


def _check(request: Request, wanted: list[WantedOutput]) -> None:
    """Refuse what would change the answer and is not done here."""
    for output in wanted:
        if output.name not in _OUTPUTS:
            raise InvalidError(f"outputs: expected names out of {', '.join(_OUTPUTS)}, got {output.name!r}")
        if output.name not in _NUMBERS and output.parameters and output.parameters.classification:
            raise InvalidError(f"outputs: classification goes with {', '.join(_NUMBERS)}, not with {output.name}")
    how = request.parameters
    if how and (how.sequence_id not in (0, "") or how.sequence_start or how.sequence_end):
        raise InvalidError(
            "parameters: expected no sequence_id, sequence_start or sequence_end: nothing is kept between requests"
        )


async def _spans(call: Call, model: ServedModel, texts: list[str], times: int) -> list[str]:
    """The spans of every text as JSON."""
    if times > 1:
        raise InvalidError(f"outputs: expected spans once, got it {times} times")
    found = await find_spans(call, model, texts)
    return [msgspec.json.encode([span_of(each) for each in row]).decode() for row in found]


async def server_metadata(_call: Call, _body: None) -> ServerMetadata:
    """What this server is."""
    return ServerMetadata("torchless", __version__, ["classification", "binary_tensor_data"])


async def live(_call: Call, _body: None) -> Live:
    """The process answers."""
    return Live(True)


async def ready(call: Call, _body: None) -> Reply:
    """Every model is warm, and the server is not shutting down."""
    is_ready = call.service.ready
    return Reply(msgspec.json.encode(Ready(is_ready)), status=200 if is_ready else 503)


async def model_metadata(call: Call, _body: None) -> ModelMetadata:
    """What a model takes and gives."""
    model = _model(call)
    labels, size = len(model.manifest.labels), model.manifest.hidden_size
    outputs = [Tensor("embedding", "FP32", [-1, size])]
    if model.tagger:
        outputs = [Tensor("spans", "BYTES", [-1]), *outputs]
    if model.classifier:
        outputs = [
            Tensor("label", "BYTES", [-1]),
            Tensor("scores", "FP32", [-1, labels]),
            Tensor("logits", "FP32", [-1, labels]),
            *outputs,
        ]
    return ModelMetadata(model.name, [_VERSION], "torchless", [Tensor("text", "BYTES", [-1])], outputs)


async def model_ready(call: Call, _body: None) -> Reply:
    """The model is warm, and the server is not shutting down."""
    is_ready = call.service.ready
    answer = ModelReady(_model(call).name, is_ready)
    return Reply(msgspec.json.encode(answer), status=200 if is_ready else 503)


def error(problem: TorchlessError) -> Error:
    """An error as these clients read it."""
    return Error(public_message(problem))


def _model(call: Call) -> ServedModel:
    if call.path.get("version", _VERSION) != _VERSION:
        raise NotFoundError(f"no version {call.path['version']!r} of {call.path['name']}; there is {_VERSION}")
    return call.model()


_DECODER = msgspec.json.Decoder(Request)


def _split(call: Call, body: bytes) -> tuple[Request, memoryview]:
    """The JSON and the bytes after it."""
    given = call.headers.get(INFERENCE_HEADER.lower().encode())
    size = len(body)
    if given is not None:
        if not given.isdigit() or len(given) > _MOST_DIGITS or int(given) > size:
            raise MalformedError(f"{INFERENCE_HEADER}: expected a number of bytes up to the body's {size}")
        size = int(given)
    view = memoryview(body)
    check_elements(body[:size], call.service.settings.max_json_elements)
    return _DECODER.decode(view[:size]), view[size:]


def _infer(path: str) -> Operation:
    # In binary tensors a text takes 4 bytes, and has no comma.
    return Operation(
        "POST", path, infer, "Label or embed texts", Request, Response, binary=True, small_bytes=_SMALL_BYTES
    )


_MODEL = "/v2/models/{name}"
OPEN_INFERENCE = Dialect(
    "open-inference",
    "The Open Inference Protocol, version 2, which Triton and KServe speak.",
    (
        _infer(f"{_MODEL}/infer"),
        _infer(_MODEL + "/versions/{version}/infer"),
        Operation("GET", "/v2", server_metadata, "The server", None, ServerMetadata),
        Operation("GET", "/v2/health/live", live, "Alive", None, Live, public=True),
        Operation("GET", "/v2/health/ready", ready, "Ready", None, Ready, readiness=True, public=True),
        Operation("GET", _MODEL, model_metadata, "A model's inputs and outputs", None, ModelMetadata),
        Operation("GET", f"{_MODEL}/ready", model_ready, "A model is ready", None, ModelReady, readiness=True),
        Operation(
            "GET", _MODEL + "/versions/{version}", model_metadata, "A model's inputs and outputs", None, ModelMetadata
        ),
        Operation(
            "GET",
            _MODEL + "/versions/{version}/ready",
            model_ready,
            "A model is ready",
            None,
            ModelReady,
            readiness=True,
        ),
    ),
    error,
    Error,
)
