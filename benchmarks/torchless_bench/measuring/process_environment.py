"""The environment variables of every measured process."""

from __future__ import annotations

import os

_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}


def environment(threads: int) -> dict[str, str]:
    """This process's variables, with one thread count for all libraries and no access to the network."""
    return {**os.environ, **dict.fromkeys(_THREAD_COUNTS, str(threads)), **_OFFLINE}
