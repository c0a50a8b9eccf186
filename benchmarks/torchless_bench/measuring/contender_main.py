"""What runs in a contender's process: it reads requests as JSON lines, and writes answers as JSON lines.

`python -m torchless_bench.measuring.contender_main MODULE:FUNCTION SETUP` loads the contender and writes {"ready": …}.
Then it answers requests until stdin ends:

    {"do": "answer", "batches": [[text, …], …]}             {"answers": [[…], …]}, a row per text of all batches
    {"do": "time", "batches": …, "seconds": s, "calls": n}  {"seconds": [one number per call, …]}
    {"do": "list", "texts": [text, …], "batch_size": b}     {"seconds": [one number for the whole list]}
    {"do": "file", "texts": [text, …], "batch_size": b}     {"seconds": [one number from a CSV file to another]}
    {"do": "memory"}                                        {"now": MiB, "peak": MiB}, resident; null where unknown

An exception is answered with {"error": …}, and a package that is not installed with {"missing": name}.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import IO, Any

from torchless_bench.contenders.contender import LoadedContender, Setup, load

from . import files

_PR_SET_PDEATHSIG = 1
_RESIDENT = {"VmRSS": "now", "VmHWM": "peak"}


def main() -> None:
    """Load the contender, then answer requests until stdin ends."""
    where, setup = sys.argv[1], Setup.from_json(json.loads(sys.argv[2]))
    _end_with_parent()
    channel = _private_stdout()
    _limit_cpus(setup.threads)
    try:
        contender = load(where, setup)
    except ModuleNotFoundError as error:
        _say(channel, {"missing": error.name})
        return
    except Exception as error:  # whatever a contender raises becomes a line of the report
        _say(channel, {"error": f"{type(error).__name__}: {error}"})
        raise
    _say(channel, {"ready": True, "batch_sizes": list(contender.batch_sizes)})
    for line in sys.stdin:
        try:
            _say(channel, _answer(contender, json.loads(line)))
        except Exception as error:
            _say(channel, {"error": f"{type(error).__name__}: {error}"})


def _answer(contender: LoadedContender, request: dict[str, Any]) -> dict[str, Any]:
    if request["do"] == "answer":
        rows = [row.tolist() for batch in request["batches"] for row in contender.answer(_texts(batch))]
        return {"answers": rows}
    if request["do"] == "time":
        batches = [_texts(batch) for batch in request["batches"]]
        return {"seconds": _time(contender, batches, request["seconds"], request["calls"])}
    if request["do"] == "memory":
        return _resident_mib()
    if request["do"] == "file":
        return {"seconds": [files.time(contender, request["texts"], request["batch_size"])]}
    texts = _texts(request["texts"])
    gc.collect()
    start = perf_counter()
    contender.whole_list(texts, request["batch_size"])
    return {"seconds": [perf_counter() - start]}


def _texts(batch: list[Any]) -> list[Any]:
    """Pairs, which are arrays in JSON, as the tuples that transformers' tokenizers take for pairs."""
    return [tuple(text) if isinstance(text, list) else text for text in batch]


def _resident_mib() -> dict[str, float | None]:
    """What the process holds now, and the most that it held; None where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    fields = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    return {what: int(fields[name][0]) / 1024 if name in fields else None for name, what in _RESIDENT.items()}


def _time(contender: LoadedContender, batches: Sequence[list[str]], seconds: float, calls: int) -> list[float]:
    """Seconds of each call, for at least `seconds` and at least `calls` calls, after two calls that warm the caches."""
    for batch in batches[:2]:
        contender.answer(batch)
    gc.collect()
    times: list[float] = []
    stop = perf_counter() + seconds
    for batch in cycle(batches):
        start = perf_counter()
        contender.answer(batch)
        end = perf_counter()
        times.append(end - start)
        if end >= stop and len(times) >= calls:
            break
    return times


def _private_stdout() -> IO[str]:
    """Keep the real stdout for answers, and send everything that libraries print there to stderr."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return channel


def _end_with_parent() -> None:
    """End when the run does, even if it is killed: a call that lasts would go on, and disturb the next run."""
    if sys.platform != "linux":
        return  # stdin ends, after the call
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _limit_cpus(threads: int) -> None:
    """Allow as many CPUs as threads, so that a contender that starts more threads gains nothing by it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _say(channel: IO[str], message: dict[str, Any]) -> None:
    channel.write(json.dumps(message) + "\n")
    channel.flush()


if __name__ == "__main__":
    main()
