"""Tensors of the Open Inference Protocol, in JSON or as bytes after it: texts in, labels and numbers out.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md and
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from torchless.answers.ranking import best_first
from torchless.serve.errors import InvalidError, TooLargeError

Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_MOST_DIMENSIONS = 8


class InputParameters(msgspec.Struct, forbid_unknown_fields=True):
    """How a tensor was sent. `binary_data_size`: bytes of its data after the JSON; `content_type`: MLServer's."""

    binary_data_size: Count | None = None
    content_type: Literal["str"] | None = None


class Input(msgspec.Struct, forbid_unknown_fields=True):
    """A tensor of texts; its data is here, flat or nested, or in the bytes after the JSON.

    Its name is free, because there is but one: MLServer's clients call it args, KServe's input-0, Triton's as the
    model's metadata does.
    """

    name: str
    shape: Annotated[list[Count], msgspec.Meta(max_length=_MOST_DIMENSIONS)]
    datatype: str
    parameters: InputParameters | None = None
    data: list[Any] | None = None


class OutputParameters(msgspec.Struct, forbid_unknown_fields=True):
    """How to answer an output. `classification: N` asks for the N best as "score:index:label"."""

    classification: Count = 0
    binary_data: bool | None = None
    content_type: Literal["str"] | None = None


class WantedOutput(msgspec.Struct, forbid_unknown_fields=True):
    """An output to answer."""

    name: str
    parameters: OutputParameters | None = None


class Output(msgspec.Struct, omit_defaults=True):
    """A tensor of answers; its data is here, flat, or in the bytes after the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, int] = {}
    data: list[str | float] | None = None


def read_texts(tensor: Input, rest: memoryview, most: int) -> list[str]:
    """The texts of a tensor, at most so many; `rest` is what follows the JSON.

    Raises:
        TooLargeError: its shape holds more texts.
        InvalidError: it holds something else, or not as much as its shape says.
    """
    if tensor.datatype != "BYTES":
        raise InvalidError(f"inputs[0].datatype: expected BYTES, got {tensor.datatype!r}")
    size = tensor.parameters.binary_data_size if tensor.parameters else None
    if tensor.data is not None and (size or rest):
        raise InvalidError(
            f"inputs[0]: its data is in the JSON, but binary_data_size is {size or 0}, and {len(rest)} bytes follow"
        )
    count = math.prod(tensor.shape)
    if count > most:
        raise TooLargeError(f"expected at most {most} texts in a request, got a shape of {count}")
    items = _unpack(rest, size, count) if tensor.data is None else _flatten(tensor.data)
    if count != len(items):
        raise InvalidError(f"inputs[0]: shape {tensor.shape} does not hold the {len(items)} texts that were sent")
    return items


def write_output(
    wanted: WantedOutput, labels: Sequence[str], rows: NDArray[np.float32], *, binary: bool
) -> tuple[Output, bytes]:
    """One output, and its bytes if it is asked for in binary.

    Args:
        wanted: "label" is the best label of each row; with `classification`, and else, the rows themselves.
        labels: names of the columns.
        rows: float32 (texts, columns).
        binary: whether an output is binary that does not say.
    """
    how = wanted.parameters or OutputParameters()
    texts: list[str] | None = None
    shape = list(rows.shape)
    if wanted.name == "label":
        texts, shape = [labels[best] for best in rows.argmax(axis=1)], [len(rows)]
    elif how.classification:
        texts, shape = _classification(labels, rows, how.classification)
    if texts is not None:
        return write_texts(wanted, texts, binary=binary, shape=shape)
    if not (binary if how.binary_data is None else how.binary_data):
        return Output(wanted.name, shape, "FP32", data=[number for row in rows for number in row.tolist()]), b""
    packed = rows.astype("<f4").tobytes()
    return Output(wanted.name, shape, "FP32", parameters={"binary_data_size": len(packed)}), packed


def write_texts(
    wanted: WantedOutput, rows: Sequence[str], *, binary: bool, shape: list[int] | None = None
) -> tuple[Output, bytes]:
    """One output of texts, and its bytes if it is asked for in binary; `shape` is one dimension unless given."""
    how, shape = wanted.parameters or OutputParameters(), shape or [len(rows)]
    if not (binary if how.binary_data is None else how.binary_data):
        return Output(wanted.name, shape, "BYTES", data=list(rows)), b""
    packed = _pack(rows)
    return Output(wanted.name, shape, "BYTES", parameters={"binary_data_size": len(packed)}), packed


def _pack(texts: Sequence[str]) -> bytes:
    """Texts of the binary extension: each after its length, four bytes little-endian."""
    return b"".join(struct.pack("<I", len(text)) + text for text in (each.encode() for each in texts))


def _unpack(rest: memoryview, size: int | None, most: int) -> list[str]:
    """The texts in the bytes after the JSON, or one more than `most`."""
    if size != len(rest):
        raise InvalidError(f"inputs[0]: binary_data_size is {size}, but {len(rest)} bytes follow the JSON")
    items: list[str] = []
    place = 0
    while place < len(rest) and len(items) <= most:
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
    """The texts of lists in lists, no deeper than a tensor has dimensions."""
    for _ in range(_MOST_DIMENSIONS):
        if not any(isinstance(item, list) for item in data):
            break
        data = [each for item in data for each in (item if isinstance(item, list) else [item])]
    for item in data:
        if not isinstance(item, str):
            raise InvalidError(f"inputs[0].data: expected texts, got {type(item).__name__}")
    return data


def _classification(labels: Sequence[str], rows: NDArray[np.float32], top: int) -> tuple[list[str], list[int]]:
    """Triton's classification extension: "value:index:label" for the best."""
    best = best_first(rows, top)
    names = labels if rows.shape[1] == len(labels) else None
    texts = [
        f"{row[index]:f}:{index}" + (f":{names[index]}" if names else "")
        for row, indexes in zip(rows, best, strict=True)
        for index in indexes
    ]
    return texts, [len(rows), min(top, rows.shape[1])]
