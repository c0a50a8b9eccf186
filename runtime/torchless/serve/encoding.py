"""Answers as JSON, in pieces: while one piece is encoded no other thread runs, and a whole answer can take 100 ms."""

from __future__ import annotations

from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()
_PIECE = 2048  # numbers, texts or small objects that are encoded in one call


def encode(answer: Any) -> bytes:
    """An answer of any size as JSON, the same bytes as `msgspec.json.encode` makes."""
    if isinstance(answer, list) and answer:
        if _has_lists(answer[0]):
            return b"[%s]" % b",".join(map(encode, answer))
        pieces = (answer[place : place + _PIECE] for place in range(0, len(answer), _PIECE))
        return b"[%s]" % b",".join(_ENCODER.encode(piece)[1:-1] for piece in pieces)
    if isinstance(answer, msgspec.Struct):
        fields = ((name, getattr(answer, name)) for name in answer.__struct_fields__)
        encoded = {name: msgspec.Raw(encode(value)) for name, value in fields if isinstance(value, list)}
        return _ENCODER.encode(msgspec.structs.replace(answer, **encoded))
    return _ENCODER.encode(answer)


def _has_lists(item: Any) -> bool:
    if isinstance(item, msgspec.Struct):
        return any(isinstance(getattr(item, name), list) for name in item.__struct_fields__)
    return isinstance(item, list)
