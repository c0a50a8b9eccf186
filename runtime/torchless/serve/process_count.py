"""How many processes a server has: as many as event loops are needed to keep the CPUs busy, if memory allows it."""

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
_SHARE = 0.5  # of the memory that is available
_PROCESS_BYTES, _TIMES_WEIGHTS = 64 << 20, 3  # each process packs the weights of both graphs for its own use
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
    """One per four CPUs; one alone where the user says how many workers, on a GPU, and on other systems than Linux."""
    if settings.workers is not None or settings.device != "cpu" or sys.platform != "linux":
        return 1
    if (most := available_threads() // _CPUS) <= 1:
        return 1  # no bundle is opened to find that out
    each = _PROCESS_BYTES + _TIMES_WEIGHTS * sum(_weights_bytes(source, settings.precision) for source in sources)
    return max(1, min(most, int(available_bytes() * _SHARE / each)))


def _weights_bytes(source: str, precision: str) -> int:
    """Of the variant that is served."""
    if Path(source).is_dir():
        with suppress(TorchlessError):  # which loading it says better
            manifest = Bundle.open(source).manifest
            variants = {str(name): variant for name, variant in manifest.variants.items()}
            variant = variants.get(precision, manifest.variants[manifest.default_precision])
            return manifest.files[variant.weights].size_bytes
    return _UNKNOWN_WEIGHTS_BYTES
