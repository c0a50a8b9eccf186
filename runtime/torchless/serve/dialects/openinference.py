"""The Open Inference Protocol, version 2 (KServe, Triton): /v2/…, with its binary tensor extension.

https://github.com/kserve/open-inference-protocol, and for tensors after the JSON
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md

Text comes in as one BYTES tensor. What goes out, unless the request asks for something else, is `label` and `scores`.
"""

from __future__ import annotations

import math
import struct
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from torchless import __version__
from torchless.errors import TorchlessError
from torchless.serve.call import Call
from torchless.serve.engine import Engine
from torchless.serve.errors import InvalidError, MalformedError, NotFoundError
from torchless.serve.operation import Dialect, Operation, Reply, public_message

_HEADER = "Inference-Header-Content-Length"
_OUTPUTS = {"label": "scores", "scores": "scores", "logits": "logits", "embedding": "embeddings"}  # what they are of
_VERSION = "1"
Count = Annotated[int, msgspec.Meta(ge=0)]


class Error(msgspec.Struct):
    """What went wrong."""

    error: str


class Input(msgspec.Struct):
    """A tensor of texts; its data is here, flat or nested, or in the bytes after the JSON."""

    name: str
    shape: list[Count]
    datatype: str
    parameters: dict[str, bool | int | float | str] = {}
    data: list[Any] | None = None


class WantedOutput(msgspec.Struct):
    """An output to answer. `classification: N` asks for the N best as "score:index:label"."""

    name: str
    parameters: dict[str, bool | int | float | str] = {}


class Request(msgspec.Struct):
    """Texts to label or to embed."""

    inputs: Annotated[list[Input], msgspec.Meta(min_length=1, max_length=1)]
    id: str | None = None
    parameters: dict[str, bool | int | float | str] = {}
    outputs: list[WantedOutput] | None = None


class Output(msgspec.Struct, omit_defaults=True):
    """A tensor of answers; its data is here, flat, or in the bytes after the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, int] = {}
    data: list[str | float] | None = None


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
    engine = _engine(call)
    request, rest = _split(call, body)
    texts = _texts(request.inputs[0], rest)
    wanted = request.outputs
    if not wanted:
        wanted = [WantedOutput(name) for name in (("label", "scores") if "scores" in engine.width else ("embedding",))]
    for output in wanted:
        if output.name not in _OUTPUTS:
            raise InvalidError(f"outputs: expected names out of {', '.join(_OUTPUTS)}, got {output.name!r}")
    rows = {}
    for task in dict.fromkeys(_OUTPUTS[output.name] for output in wanted):
        rows[task] = await getattr(call, task)(engine, texts)
    outputs, tail = [], b""
    for output in wanted:
        tensor = rows[_OUTPUTS[output.name]]
        made, data = _output(engine, output, tensor, bool(request.parameters.get("binary_data_output")))
        outputs.append(made)
        tail += data
    head = msgspec.json.encode(Response(engine.name, _VERSION, outputs, request.id))
    if not tail:
        return Reply(head)
    return Reply(head + tail, "application/octet-stream", headers={_HEADER: str(len(head))})


async def server_metadata(_call: Call, _body: None) -> ServerMetadata:
    """What this server is."""
    return ServerMetadata("torchless", __version__, ["classification", "binary_tensor_data"])


async def live(_call: Call, _body: None) -> Live:
    """The process answers."""
    return Live(True)


async def ready(call: Call, _body: None) -> Reply:
    """Every model is warm."""
    is_ready = call.service.ready
    return Reply(msgspec.json.encode(Ready(is_ready)), status=200 if is_ready else 503)


async def model_metadata(call: Call, _body: None) -> ModelMetadata:
    """What a model takes and gives."""
    engine = _engine(call)
    labels, size = len(engine.manifest.labels), engine.manifest.hidden_size
    outputs = [Tensor("embedding", "FP32", [-1, size])]
    if "scores" in engine.width:
        outputs = [
            Tensor("label", "BYTES", [-1]),
            Tensor("scores", "FP32", [-1, labels]),
            Tensor("logits", "FP32", [-1, labels]),
            *outputs,
        ]
    return ModelMetadata(engine.name, [_VERSION], "torchless", [Tensor("text", "BYTES", [-1])], outputs)


async def model_ready(call: Call, _body: None) -> Reply:
    """A model is warm."""
    is_ready = call.service.ready
    answer = ModelReady(_engine(call).name, is_ready)
    return Reply(msgspec.json.encode(answer), status=200 if is_ready else 503)


def error(problem: TorchlessError) -> Error:
    """An error as these clients read it."""
    return Error(public_message(problem))


def _engine(call: Call) -> Engine:
    if call.path.get("version", _VERSION) != _VERSION:
        raise NotFoundError(f"no version {call.path['version']!r} of {call.path['name']}; there is {_VERSION}")
    return call.engine()


_DECODER = msgspec.json.Decoder(Request)


def _split(call: Call, body: bytes) -> tuple[Request, memoryview]:
    """The JSON and the bytes after it."""
    given = call.headers.get(_HEADER.lower().encode())
    size = len(body)
    if given is not None:
        if not given.isdigit() or int(given) > size:
            raise MalformedError(f"{_HEADER}: expected a number of bytes up to the body's {size}")
        size = int(given)
    view = memoryview(body)
    return _DECODER.decode(view[:size]), view[size:]


def _texts(tensor: Input, rest: memoryview) -> list[str]:
    if tensor.datatype != "BYTES":
        raise InvalidError(f"inputs[0].datatype: expected BYTES, got {tensor.datatype!r}")
    size = tensor.parameters.get("binary_data_size")
    items = _unpack(rest, size) if tensor.data is None else _flatten(tensor.data)
    if math.prod(tensor.shape) != len(items):
        raise InvalidError(f"inputs[0]: shape {tensor.shape} does not hold the {len(items)} texts that were sent")
    return items


def _unpack(rest: memoryview, size: object) -> list[str]:
    """Texts of the binary extension: each after its length, four bytes little-endian."""
    if size != len(rest):
        raise InvalidError(f"inputs[0]: binary_data_size says {size}, and {len(rest)} bytes follow the JSON")
    items: list[str] = []
    place = 0
    while place < len(rest):
        if place + 4 > len(rest):
            raise InvalidError("inputs[0]: a text's length is cut off")
        (length,) = struct.unpack_from("<I", rest, place)
        place += 4
        if place + length > len(rest):
            raise InvalidError(f"inputs[0]: text {len(items)} is cut off")
        items.append(_text(bytes(rest[place : place + length]), len(items)))
        place += length
    return items


def _text(data: bytes, index: int) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidError(f"inputs[0]: text {index} is not UTF-8") from None


def _flatten(data: list[Any]) -> list[str]:
    items: list[str] = []
    for item in data:
        if isinstance(item, list):
            items += _flatten(item)
        elif isinstance(item, str):
            items.append(item)
        else:
            raise InvalidError(f"inputs[0].data: expected texts, got {type(item).__name__}")
    return items


def _output(
    engine: Engine, wanted: WantedOutput, rows: NDArray[np.float32], binary_by_default: bool
) -> tuple[Output, bytes]:
    """One tensor, and its bytes where it is asked for in binary."""
    top = wanted.parameters.get("classification", 0)
    texts: list[str] | None = None
    shape = list(rows.shape)
    if wanted.name == "label" or top:
        labels = engine.manifest.labels
        if wanted.name == "label":
            texts, shape = [labels[best] for best in rows.argmax(axis=1)], [len(rows)]
        else:
            texts, shape = _classification(labels, rows, int(top))
    if not wanted.parameters.get("binary_data", binary_by_default):
        data: list[Any] = rows.ravel().tolist() if texts is None else texts
        return Output(wanted.name, shape, "FP32" if texts is None else "BYTES", data=data), b""
    if texts is None:
        packed = rows.astype("<f4").tobytes()
    else:
        packed = b"".join(struct.pack("<I", len(text)) + text for text in (each.encode() for each in texts))
    datatype = "FP32" if texts is None else "BYTES"
    return Output(wanted.name, shape, datatype, parameters={"binary_data_size": len(packed)}), packed


def _classification(labels: tuple[str, ...], rows: NDArray[np.float32], top: int) -> tuple[list[str], list[int]]:
    """Triton's classification extension: "value:index:label" for the best."""
    best = np.argsort(-rows, axis=1, kind="stable")[:, : max(top, 1)]
    names = labels if rows.shape[1] == len(labels) else None
    texts = [
        f"{row[index]:f}:{index}" + (f":{names[index]}" if names else "")
        for row, indexes in zip(rows.tolist(), best.tolist(), strict=True)
        for index in indexes
    ]
    return texts, [len(rows), best.shape[1]]


_MODEL = "/v2/models/{name}"
OPEN_INFERENCE = Dialect(
    "open-inference",
    "The Open Inference Protocol, version 2, which Triton and KServe speak.",
    (
        Operation("POST", f"{_MODEL}/infer", infer, "Label or embed texts", Request, Response, binary=True),
        Operation(
            "POST", _MODEL + "/versions/{version}/infer", infer, "Label or embed texts", Request, Response, binary=True
        ),
        Operation("GET", "/v2", server_metadata, "The server", None, ServerMetadata),
        Operation("GET", "/v2/health/live", live, "Alive", None, Live, public=True),
        Operation("GET", "/v2/health/ready", ready, "Warm", None, Ready, public=True),
        Operation("GET", _MODEL, model_metadata, "A model's inputs and outputs", None, ModelMetadata),
        Operation("GET", f"{_MODEL}/ready", model_ready, "A model is warm", None, ModelReady),
        Operation(
            "GET", _MODEL + "/versions/{version}", model_metadata, "A model's inputs and outputs", None, ModelMetadata
        ),
        Operation("GET", _MODEL + "/versions/{version}/ready", model_ready, "A model is warm", None, ModelReady),
    ),
    error,
    Error,
)
