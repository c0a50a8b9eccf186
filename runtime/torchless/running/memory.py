"""Memory that large work took, given back to the system."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

_MANY_TEXTS = 1024


@cache
def _malloc_trim() -> Any:
    """Glibc's function; None where there is another libc."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def trim() -> None:
    """Give back what was freed and is still held by the allocator; nothing where there is another libc.

    Takes milliseconds. glibc keeps what each thread has freed, in an arena of its own, until the process ends.
    """
    if (malloc_trim := _malloc_trim()) is not None:
        malloc_trim(0)


def give_back(texts: int) -> None:
    """After a list of that many texts: what tokenizers' threads have freed."""
    if texts > _MANY_TEXTS:
        trim()
