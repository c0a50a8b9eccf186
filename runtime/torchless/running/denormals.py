"""Numbers below float32's normal range (1.2e-38), taken for zero while a graph runs.

Softmax leaves 4e-39 of a masked score, and Intel CPUs take a hundred cycles and more for each product with such a
number: batches of mixed lengths took up to twice as long (docs/decisions/0009-denormals.md). onnxruntime sets the flags
in threads of its own (session.set_denormal_as_zero); the thread that calls it is ours to set, and to set back.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from typing import Any

# MXCSR: flush results to zero, take operands for zero (Intel SDM vol. 1, 10.2.3). It is the last of the eight words of
# a fenv_t, in glibc and in musl.
_FLUSH = 1 << 15 | 1 << 6
_WORDS, _MXCSR = 8, 7


def _functions() -> tuple[Any, Any] | None:
    """C's fegetenv and fesetenv, where we know what they read and write."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return None
    process = ctypes.CDLL(None)
    try:
        found = process.fegetenv, process.fesetenv
    except AttributeError:
        return None
    for function in found:
        function.argtypes = [ctypes.c_void_p]
    return found


_FUNCTIONS = _functions()


class _Flushing(threading.local):
    """Denormals are zero in this thread while the block runs; the thread is left as it was. Takes 2 µs.

    Not for blocks inside one another: a thread has one place to remember what was before.
    """

    def __init__(self) -> None:
        self._before = (ctypes.c_uint32 * _WORDS)()
        self._within = (ctypes.c_uint32 * _WORDS)()
        self._before_at = ctypes.addressof(self._before)
        self._within_at = ctypes.addressof(self._within)

    def __enter__(self) -> None:
        if _FUNCTIONS is not None:
            get, put = _FUNCTIONS
            get(self._before_at)
            get(self._within_at)
            self._within[_MXCSR] |= _FLUSH
            put(self._within_at)

    def __exit__(self, *_: object) -> None:
        if _FUNCTIONS is not None:
            _FUNCTIONS[1](self._before_at)


flushing = _Flushing()
