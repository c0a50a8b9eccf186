"""Sessions in a process that was forked: one that was running at that moment cannot be run again.

A fork copies memory, and of all threads the one that forks. What others had locked in onnxruntime, its threads among
them, stays locked in the copy for ever. A session that nobody was running answers there as before, without threads.
"""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Any
from weakref import WeakSet


class Runs:
    """The runs of one session: a block for each. Takes 0.4 µs.

    Attributes:
        cut_off: this process was forked while one was under way.
        lock: for making a session anew; no other process's thread holds it.
    """

    def __init__(self, *, survive_forks: bool) -> None:
        """Begin; `survive_forks` is False on a GPU, where a fork cuts off all."""
        self._survive_forks = survive_forks
        self._threads: set[int] = set()
        self.cut_off = False
        self.lock = threading.RLock()
        _ALL.add(self)

    def __enter__(self) -> None:
        self._threads.add(threading.get_ident())

    def __exit__(self, *_: object) -> None:
        self._threads.discard(threading.get_ident())

    def note_fork(self) -> None:
        """Begin again in a forked process, where this is the only thread."""
        self.cut_off = self.cut_off or bool(self._threads) or not self._survive_forks
        self._threads.clear()
        self.lock = threading.RLock()


def keep(session: Any) -> None:
    """Keep an onnxruntime session for ever: freeing it would wait for threads that this process does not have."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


_ALL: WeakSet[Runs] = WeakSet()


def _note() -> None:
    for runs in list(_ALL):
        runs.note_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note)
