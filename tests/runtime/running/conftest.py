"""Batches of made-up tokens, and graphs small enough to be written byte by byte: there may be no `onnx` here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from torchless.inputs.tokens import Batch

FLOAT, INT32, INT64 = 1, 6, 7  # TensorProto.DataType


@pytest.fixture(scope="session")
def batch_of() -> Callable[[list[int]], Batch]:
    """Texts of these lengths: token ids count from 0 through all of them, types are 0 and 1 in turn."""

    def batch_of(lengths: list[int]) -> Batch:
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        types = np.arange(offsets[-1], dtype=np.int32) % 2
        return Batch(np.arange(offsets[-1], dtype=np.int32), offsets, np.zeros(len(lengths), np.bool_), types)

    return batch_of


@pytest.fixture
def lookup(tmp_path: Path) -> Callable[..., Path]:
    """Write a graph that answers, for each token, `words[id] + kinds[type]`; numbers of fields as in onnx.proto."""

    def lookup(layout: str, words: NDArray[np.float32], kinds: NDArray[np.float32]) -> Path:
        if layout == "packed":
            kind, shape, inputs, output = INT32, ["tokens"], ["input_ids", "type_ids"], "hidden_states"
        else:
            kind, shape, output = INT64, ["texts", "longest"], "last_hidden_state"
            inputs = ["input_ids", "token_type_ids", "attention_mask"]
        nodes = [
            node("Gather", ["words", inputs[0]], "of_words"),
            node("Gather", ["kinds", inputs[1]], "of_kinds"),
            node("Add", ["of_words", "of_kinds"], output),
        ]
        tables = [tensor("words", words), tensor("kinds", kinds)]
        values = [field(11, value(name, kind, shape)) for name in inputs]
        values.append(field(12, value(output, FLOAT, [*shape, words.shape[1]])))
        parts = [*(field(1, each) for each in nodes), field(2, "g"), *(field(5, each) for each in tables), *values]
        operators = field(1, "") + field(2, 17)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.onnx"
        path.write_bytes(field(1, 8) + field(7, b"".join(parts)) + field(8, operators))
        return path

    return lookup


def node(operator: str, inputs: Sequence[str], output: str) -> bytes:
    return b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, operator)


def tensor(name: str, array: NDArray[np.float32]) -> bytes:
    return (
        b"".join(field(1, size) for size in array.shape) + field(2, FLOAT) + field(8, name) + field(9, array.tobytes())
    )


def value(name: str, kind: int, shape: Sequence[str | int]) -> bytes:
    sizes = b"".join(field(1, field(1 if isinstance(size, int) else 2, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, sizes)))


def field(number: int, content: int | str | bytes) -> bytes:
    """A field of a protobuf message: a number, or text or a message with its length before it."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    data = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])
