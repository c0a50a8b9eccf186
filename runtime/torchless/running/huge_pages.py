"""Packed weights in pages of 2 MiB, on Linux 6.1 and later: a short text reads all of them, and finds each page once.

onnxruntime packs weights into memory of 4 KiB pages. A run over few tokens is a walk through that memory, and the CPU's
tables of addresses hold a small part of so many pages: docs/decisions/0068-huge-pages.md. MADV_COLLAPSE (madvise(2))
moves them while others read and write them.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from .threads import started

_SWITCH, _OFF = "TORCHLESS_HUGE_PAGES", ("0", "false", "no", "off")
_LEAST_WEIGHTS = 64 << 20  # bytes: below it the gain is 1 to 2 %, and the threads' caches hold much of the model
_DELAY_S = 1.0  # a process that answers one text and ends does not need them
_HUGE, _PAGE = 2 << 20, 4096
_RESIDENT = 0.9  # share of a huge page's memory that must be in use, so that moving it takes little more
_MADV_COLLAPSE = 25
_MAPS, _PAGEMAP = Path("/proc/self/maps"), Path("/proc/self/pagemap")
_SYSTEM = Path("/sys/kernel/mm/transparent_hugepage/enabled")

Ranges = list[tuple[int, int]]  # addresses: begin, end


@contextmanager
def collapsing(weights_bytes: int) -> Iterator[None]:
    """Move the memory that the block takes to huge pages, a second later and in the background.

    Nothing where the weights are small, the system has no MADV_COLLAPSE, its administrator turned huge pages off
    ("never"), or TORCHLESS_HUGE_PAGES is 0.

    Args:
        weights_bytes: size of the weights that the block loads.
    """
    if weights_bytes < _LEAST_WEIGHTS or not _wanted():
        yield
        return
    before = anonymous()
    yield
    started(partial(_later, before), "torchless-huge-pages", daemon=True)


def anonymous() -> Ranges:
    """The process's private memory that no file lies behind, and that it can write to; its stacks are left out."""
    found: Ranges = []
    with _MAPS.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            addresses, rights, _, _, inode, *name = line.split(maxsplit=5)
            if rights == "rw-p" and inode == "0" and not (name and name[0].startswith("[stack")):
                begin, _, end = addresses.partition("-")
                found.append((int(begin, 16), int(end, 16)))
    return found


def collapse(ranges: Ranges) -> int:
    """Move what is in use of some memory to huge pages; how many there are now."""
    madvise, moved = _madvise(), 0
    for begin, end in ranges:
        for address in range(-(-begin // _HUGE) * _HUGE, end - _HUGE + 1, _HUGE):
            if _resident(address) >= _RESIDENT:
                moved += madvise(address, _HUGE, _MADV_COLLAPSE) == 0
    return moved


def without(ranges: Ranges, others: Ranges) -> Ranges:
    """The parts of some ranges that are in none of others; both in ascending order."""
    left: Ranges = []
    for begin, end in ranges:
        for other_begin, other_end in others:
            if other_end <= begin or other_begin >= end:
                continue
            if begin < other_begin:
                left.append((begin, other_begin))
            begin = other_end
        if begin < end:
            left.append((begin, end))
    return left


def _later(before: Ranges) -> None:
    time.sleep(_DELAY_S)
    try:
        collapse(without(anonymous(), before))
    except OSError:  # no /proc in a sandbox: 4 KiB pages work as well
        return


def _resident(address: int) -> float:
    """The share of a huge page's memory that is there: bit 63 of each page's entry (proc_pid_pagemap(5))."""
    count = _HUGE // _PAGE
    with _PAGEMAP.open("rb", buffering=0) as pagemap:
        entries = np.frombuffer(os.pread(pagemap.fileno(), 8 * count, address // _PAGE * 8), "<u8")
    return float((entries >> 63).sum() / count)


def _wanted() -> bool:
    return os.environ.get(_SWITCH, "").strip().lower() not in _OFF and _possible()


@cache
def _possible() -> bool:
    """Linux with pages of 4 KiB, where nobody has turned huge pages off."""
    if sys.platform != "linux" or os.sysconf("SC_PAGE_SIZE") != _PAGE:
        return False
    try:
        return "[never]" not in _SYSTEM.read_text() and bool(anonymous())
    except (OSError, ValueError):
        return False


@cache
def _madvise() -> Any:
    function = ctypes.CDLL(None).madvise
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return function
