"""Answers as JSON, in pieces: while one piece is encoded no other thread runs, and a whole answer can take 100 ms.

The pieces are put together by `bytes.join`, which lets other threads run while it copies more than a megabyte.
"""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()
_PIECE = 2048  # numbers, texts or small objects that are encoded in one call
_PLACE = b'"%s"' % uuid.uuid4().hex.encode()  # stands for a list while what is around it is encoded; no client knows it


def encode(answer: Any) -> bytes:
    """An answer of any size as JSON, the same bytes as `msgspec.json.encode` makes."""
    return b"".join(_parts(answer))


def _parts(answer: Any) -> list[bytes]:
    if isinstance(answer, list) and answer:
        if _has_lists(answer[0]):
            return _within([_parts(item) for item in answer])
        pieces = (answer[place : place + _PIECE] for place in range(0, len(answer), _PIECE))
        return _within([[_ENCODER.encode(piece)[1:-1]] for piece in pieces])
    if isinstance(answer, msgspec.Struct):
        lists = {name: each for name in answer.__struct_fields__ if isinstance(each := getattr(answer, name), list)}
        around = msgspec.structs.replace(answer, **dict.fromkeys(lists, msgspec.Raw(_PLACE)))
        texts = _ENCODER.encode(around).split(_PLACE)
        filled = zip(texts, [*map(_parts, lists.values()), []], strict=True)
        return [part for text, parts in filled for part in (text, *parts)]
    return [_ENCODER.encode(answer)]


def _within(items: list[list[bytes]]) -> list[bytes]:
    """The parts of a list of some items, each in parts."""
    separated = itertools.chain.from_iterable((b",", *parts) for parts in items)
    return [b"[", *itertools.islice(separated, 1, None), b"]"]


def _has_lists(item: Any) -> bool:
    if isinstance(item, msgspec.Struct):
        return any(isinstance(getattr(item, name), list) for name in item.__struct_fields__)
    return isinstance(item, list)
