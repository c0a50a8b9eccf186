"""How many elements a JSON text has, counted before it is decoded: an element takes many times its bytes in memory."""

from __future__ import annotations

import numpy as np

from .errors import MalformedError, TooLargeError

_MOST_DEEP = 1000  # as Python's own limit, which msgspec keeps to
_QUOTE = ord('"')
_BEGINS = np.zeros(256, np.bool_)  # bytes outside strings that begin an element
_BEGINS[list(b",[{")] = True
_DEEPER = np.zeros(256, np.int8)
_DEEPER[list(b"[{")], _DEEPER[list(b"]}")] = 1, -1


def check_elements(text: bytes, most: int) -> None:
    """Refuse a JSON text of more elements than `most`: items of lists and objects, nested ones included.

    Nearly all texts pass by a count of bytes; only where those in strings could matter are strings told from the rest,
    by numpy, which lets other threads run meanwhile.

    Raises:
        TooLargeError: it has more.
        MalformedError: it has more, and is nested too deeply.
    """
    if sum(map(text.count, (b",", b"[", b"{"))) <= most:
        return
    elements, depth = _elements_and_depth(text)
    if elements > most and depth > _MOST_DEEP:
        raise MalformedError("the body is nested too deeply")
    if elements > most:
        raise TooLargeError(f"expected JSON of at most {most} elements, got more")


def _elements_and_depth(text: bytes) -> tuple[int, int]:
    plain = text.replace(rb"\\", b"..").replace(rb"\"", b"..")  # a quote that is left begins or ends a string
    codes = np.frombuffer(plain, np.uint8)
    outside = (np.add.accumulate(codes == _QUOTE, dtype=np.uint8) & 1) == 0
    depths = np.add.accumulate(_DEEPER[codes] * outside, dtype=np.int32)
    return int(np.count_nonzero(_BEGINS[codes] & outside)), int(depths.max())
