"""The weights of a graph, taken from memory that was checked, and from no file that the graph names.

An ONNX file names the file that its large tensors are in, and onnxruntime opens that by name, beside the graph: what it
reads need not be what was hashed before, nor a file that anyone listed. So the graph is read here as far as that takes
(https://protobuf.dev/programming-guides/encoding, onnx.proto), and onnxruntime gets its tensors from us.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# The messages of onnx.proto that tensors can be in: by field number, what a field holds.
_NESTED = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
# TensorProto.
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA, _EXTERNAL, _LOCATION = 1, 2, 8, 9, 13, 14
_STRING = 8
_TYPES = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
    12: np.uint32,
    13: np.uint64,
}
_MOST_COPIES = 4  # of the weights, in tensors that become part of the graph
_FREE = 1 << 24  # bytes of those that are always allowed
_LARGE = 4096  # bytes: smaller tensors become part of the graph, where onnxruntime reads shapes and the like


class Separated:
    """A graph without external data.

    Attributes:
        data: the graph's bytes; its large tensors are those that `tensors` are to replace.
        tensors: the large tensors by name, in the memory of the weights.
    """

    def __init__(self, data: bytes, tensors: dict[str, NDArray[Any]]) -> None:
        self.data = data
        self.tensors = tensors


def separate(graph: bytes, weights: mmap.mmap | bytes, location: str, placeholder: str | None = None) -> Separated:
    """Take the tensors that are kept in another file out of a graph.

    Args:
        graph: an ONNX file.
        weights: the content of the file that its tensors are in.
        location: the name by which it calls that file; it may call no other.
        placeholder: what it is to call that file from now on; None leaves the name.

    Raises:
        ValueError: it is no ONNX file, names another file, or a place that is not in this one.
    """
    rewriting = _Rewriting(weights, location, placeholder)
    try:
        return Separated(rewriting.message(graph, 0, len(graph), "model"), rewriting.tensors)
    except (IndexError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"it is no ONNX file ({error})") from error


class _Rewriting:
    def __init__(self, weights: mmap.mmap | bytes, location: str, placeholder: str | None) -> None:
        self.tensors: dict[str, NDArray[Any]] = {}
        self._weights = weights
        self._size = len(weights)
        self._copied = 0  # bytes of the weights that are part of the graph now
        self._location = location
        self._placeholder = placeholder

    def message(self, data: bytes, start: int, end: int, kind: str, *, top: bool = True) -> bytes:
        """A message with other tensors in it; `top`: it is the model, or its graph."""
        parts = []
        for number, wire, begin, value, stop in _fields(data, start, end):
            inner = _NESTED[kind].get(number) if wire == _BYTES else None
            if inner is None or data.find(b"location", value, stop) < 0:  # no tensor in it names a file
                parts.append(data[begin:stop])
            elif inner == "tensor":
                parts.append(_field(number, self._tensor(data, value, stop, top=top)))
            else:
                parts.append(_field(number, self.message(data, value, stop, inner, top=top and inner == "graph")))
        return b"".join(parts)

    def _tensor(self, data: bytes, start: int, end: int, *, top: bool) -> bytes:
        dims: list[int] = []
        facts: dict[int, Any] = {}
        entries: dict[str, str] = {}
        kept = []
        for number, wire, begin, value, stop in _fields(data, start, end):
            if number == _EXTERNAL and wire == _BYTES:
                entries.update([_entry(data, value, stop)])
                continue
            if number == _DIMS:
                dims += [_varint(data, value)[0]] if wire == _VARINT else _varints(data, value, stop)
            elif number in (_DATA_TYPE, _LOCATION) and wire == _VARINT:
                facts[number] = _varint(data, value)[0] & 0xFFFFFFFF  # as protobuf reads an enumeration
            elif number == _NAME and wire == _BYTES:
                facts[number] = data[value:stop].decode()
            if number not in (_LOCATION, _RAW_DATA):
                kept.append(data[begin:stop])
        if facts.get(_LOCATION) != 1:
            return data[start:end]
        kind, name = facts.get(_DATA_TYPE), facts.get(_NAME, "")
        offset, length = self._place(name, kind, dims, entries)
        if top and kind in _TYPES and length >= _LARGE:
            values: NDArray[Any] = np.frombuffer(
                self._weights, _TYPES[kind], length // np.dtype(_TYPES[kind]).itemsize, offset
            )
            self.tensors[name] = values.reshape(dims)
            if self._placeholder is None:
                return data[start:end]
            places = {"location": self._placeholder, "offset": "0", "length": str(length)}
            pairs = [_field(1, key.encode()) + _field(2, place.encode()) for key, place in places.items()]
            return b"".join([*kept, *(_field(_EXTERNAL, pair) for pair in pairs), _number(_LOCATION << 3), b"\1"])
        self._copied += length
        if self._copied > _MOST_COPIES * self._size + _FREE:
            raise ValueError(f"its tensors are copies of the weights, more than {_MOST_COPIES} times as large")
        return b"".join([*kept, _field(_RAW_DATA, self._weights[offset : offset + length])])

    def _place(self, name: str, kind: int | None, dims: list[int], entries: dict[str, str]) -> tuple[int, int]:
        """Where a tensor begins in the weights, and how many bytes it has."""
        if entries.get("location") != self._location:
            raise ValueError(f"{name} is in {entries.get('location')!r}, expected {self._location!r}")
        if kind is None or kind == _STRING:
            raise ValueError(f"{name} has a type that no file of weights holds")
        expected = math.prod(dims) * np.dtype(_TYPES[kind]).itemsize if kind in _TYPES else None
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", expected or 0))
        except ValueError as error:
            raise ValueError(f"{name} has no place in the weights ({error})") from None
        if not 0 <= offset <= offset + length <= self._size or expected not in (None, length):
            wanted = length if expected is None else expected
            raise ValueError(f"{name} has {length} bytes at {offset}; expected {wanted} bytes within {self._size}")
        return offset, length


def _entry(data: bytes, start: int, end: int) -> tuple[str, str]:
    """A key and its value."""
    found = {number: data[value:stop].decode() for number, _, _, value, stop in _fields(data, start, end)}
    return found.get(1, ""), found.get(2, "")


def _fields(data: bytes, place: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
    """The fields of a message: number, wire type, and where the field, its value and what follows begin."""
    while place < end:
        begin = place
        tag, place = _varint(data, place)
        tag &= 0xFFFFFFFF
        wire = tag & 7
        if wire == _BYTES:
            size, place = _varint(data, place)
            stop = place + size
        elif wire == _VARINT:
            stop = _varint(data, place)[1]
        elif wire in (_FIXED32, _FIXED64):
            stop = place + (4 if wire == _FIXED32 else 8)
        else:
            raise ValueError(f"it is no ONNX file (wire type {wire})")
        if stop > end:
            raise ValueError("it is no ONNX file (a field is longer than what it is in)")
        yield tag >> 3, wire, begin, place, stop
        place = stop


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number, and where what follows it begins."""
    byte = data[place]
    if byte < 0x80:
        return byte, place + 1
    number, shift = byte & 0x7F, 7
    while shift < 70:
        place += 1
        byte = data[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place + 1
        shift += 7
    raise ValueError("it is no ONNX file (a number has more than 70 bits)")


def _varints(data: bytes, place: int, end: int) -> list[int]:
    numbers = []
    while place < end:
        number, place = _varint(data, place)
        numbers.append(number)
    return numbers


def _number(value: int) -> bytes:
    """A varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, value: bytes) -> bytes:
    return _number(number << 3 | _BYTES) + _number(len(value)) + value
