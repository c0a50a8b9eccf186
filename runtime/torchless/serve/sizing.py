"""How many processes, workers and threads a server has: as many as keep the CPUs busy, as far as memory allows it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from torchless.bundle.bundle import Bundle
from torchless.errors import InputError, TorchlessError
from torchless.running.memory import available_bytes
from torchless.running.threads import available_threads

from .settings import Settings

_CAN_FORK = hasattr(os, "fork") and hasattr(socket, "AF_UNIX")
_CPUS = 4  # that one event loop feeds: it takes 0.3 to 0.4 ms per request of one text, a small model 1.5 to 2
_SMALL_WEIGHTS_BYTES = 48 << 20  # a model takes so little of a text's time that its threads wait for the interpreter
_SHARE = 0.5  # of the memory that is available
_PROCESS_BYTES, _TIMES_WEIGHTS = 64 << 20, 3  # each process packs the weights of both graphs for its own use
_LONE_TIMES_WEIGHTS = 1.5  # a session with more threads packs one graph's once more; measured: 0.8 to 1.3
_UNKNOWN_WEIGHTS_BYTES = 512 << 20  # of a model that is not in a folder


def process_count(sources: Iterable[str], settings: Settings) -> int:
    """How many processes to serve with.

    Raises:
        InputError: several on a GPU, which they cannot share, or where processes cannot be forked.
    """
    chosen = settings.processes
    if chosen is None:
        return _default(sources, settings)
    if chosen > 1 and settings.device != "cpu":
        raise InputError(f"processes: expected 1 on a GPU, got {chosen}; use --workers.")
    if chosen > 1 and not _CAN_FORK:
        raise InputError(f"processes: expected 1 on {sys.platform}, got {chosen}.")
    return chosen


def _default(sources: Iterable[str], settings: Settings) -> int:
    """One per four CPUs, two at least for small models.

    One alone where the user says how many workers, on a GPU, and on other systems than Linux.
    """
    if settings.workers is not None or settings.device != "cpu" or sys.platform != "linux":
        return 1
    cpus = available_threads()
    if cpus == 1:
        return 1  # no bundle is opened to find that out
    weights = _weights_bytes(sources, settings)
    most = max(cpus // _CPUS, 2 if weights <= _SMALL_WEIGHTS_BYTES else 1)
    return max(1, min(most, int(available_bytes() * _SHARE / (_PROCESS_BYTES + _TIMES_WEIGHTS * weights))))


def worker_count(settings: Settings, processes: int) -> int:
    """Workers of one process."""
    if settings.workers is not None:
        return settings.workers
    if settings.device != "cpu":
        return 2  # one has the GPU, the other tokenises
    return max(1, available_threads() // (settings.threads * processes))


def lone_threads(sources: Iterable[str], settings: Settings, processes: int) -> int:
    """CPU threads of a batch while nothing else runs or waits; `settings.threads` if memory is short, or on a GPU."""
    if settings.lone_threads is not None:
        return settings.lone_threads
    threads = worker_count(settings, processes) * settings.threads
    if processes > 1:
        threads = max(threads, _CPUS)  # a process's share of the CPUs may be one
    threads = min(threads, available_threads())  # more would wait for each other by spinning
    if threads <= settings.threads or settings.device != "cpu":
        return settings.threads  # no bundle is opened to find that out
    each = _PROCESS_BYTES + (_TIMES_WEIGHTS + _LONE_TIMES_WEIGHTS) * _weights_bytes(sources, settings)
    return threads if processes * each <= available_bytes() * _SHARE else settings.threads


def _weights_bytes(sources: Iterable[str], settings: Settings) -> int:
    return sum(_bytes_of(source, settings.precision) for source in sources)


def _bytes_of(source: str, precision: str) -> int:
    """Of the variant that is served."""
    if Path(source).is_dir():
        with suppress(TorchlessError):  # which loading it says better
            manifest = Bundle.open(source).manifest
            variants = {str(name): variant for name, variant in manifest.variants.items()}
            variant = variants.get(precision, manifest.variants[manifest.default_precision])
            return manifest.files[variant.weights].size_bytes
    return _UNKNOWN_WEIGHTS_BYTES
