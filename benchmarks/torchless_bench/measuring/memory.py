"""Resident memory of each contender after loading and after thousands of texts, in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torchless_bench.contenders.contender import Contender, Input, Setup

from .contender_process import ContenderError, ContenderProcess

_LIST_TEXTS = 1000  # texts per list; the process gets one list after another


@dataclass(frozen=True)
class Memory:
    """MiB that a contender's process holds; None where the system does not tell.

    Attributes:
        texts: number of texts that it answered.
        loaded_mib: after loading.
        after_mib: after the texts.
        peak_mib: the most that it held.
        problem: why it was not measured; None if it was.
    """

    texts: int
    loaded_mib: float | None = None
    after_mib: float | None = None
    peak_mib: float | None = None
    problem: str | None = None


def measure(contender: Contender, setup: Setup, texts: Sequence[Input], batch_size: int) -> Memory:
    """Load a contender in a new process, and give it all texts in lists, at a batch size."""
    process = ContenderProcess(contender.load, setup, setup.work / f"{contender.name}.log")
    try:
        process.load()
        loaded: dict[str, Any] = process.ask(do="memory")
        for start in range(0, len(texts), _LIST_TEXTS):
            process.ask(do="list", texts=texts[start : start + _LIST_TEXTS], batch_size=batch_size)
        after: dict[str, Any] = process.ask(do="memory")
    except ContenderError as error:
        return Memory(0, problem=str(error))
    finally:
        process.close()
    return Memory(len(texts), loaded["now"], after["now"], after["peak"])
