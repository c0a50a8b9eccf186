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
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

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


class _Environments(threading.local):
    """This thread's floating-point environment as it was, and as it is while a graph runs."""

    def __init__(self) -> None:
        self.before = (ctypes.c_uint32 * _WORDS)()
        self.within = (ctypes.c_uint32 * _WORDS)()
        self.before_at = ctypes.addressof(self.before)
        self.within_at = ctypes.addressof(self.within)


_OF_THREAD = _Environments()


def flushing(call: Callable[..., T], *arguments: Any) -> T:
    """Call a function with denormals taken for zero in this thread, and leave the thread as it was; takes 2 µs."""
    if _FUNCTIONS is None:
        return call(*arguments)
    get, put = _FUNCTIONS
    mine = _OF_THREAD
    get(mine.before_at)
    get(mine.within_at)
    mine.within[_MXCSR] |= _FLUSH
    put(mine.within_at)
    try:
        return call(*arguments)
    finally:
        put(mine.before_at)
