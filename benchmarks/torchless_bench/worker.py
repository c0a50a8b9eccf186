"""One contender in its own process: JSON lines in, JSON lines out.

`python -m torchless_bench.worker MODULE:FUNCTION JOB` loads the engine and says {"ready": …}, then answers requests:

    {"do": "answer", "batches": [[text, …], …]}                          {"answers": [[…], …]}, all batches in a row
    {"do": "time", "batches": …, "seconds": s, "calls": n}               {"seconds": [per call, …]}
    {"do": "list", "texts": [text, …], "batch_size": b}                  {"seconds": [once]}

Whatever goes wrong is answered as {"error": …} or, for a package that is not there, {"missing": name}.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import IO, Any

from .contenders import Engine, Job, load


def main() -> None:
    """Load, then answer until stdin ends."""
    where, fields = sys.argv[1], json.loads(sys.argv[2])
    checkpoint, bundle, work = (Path(fields[name]) for name in ("checkpoint", "bundle", "work"))
    job = Job(checkpoint, bundle, work, fields["threads"], fields["device"])
    channel = _private_stdout()
    _stay_on_cpus(job.threads)
    try:
        engine = load(where, job)
    except ModuleNotFoundError as error:
        _say(channel, {"missing": error.name})
        return
    except Exception as error:  # whatever an engine raises is a line of the report
        _say(channel, {"error": f"{type(error).__name__}: {error}"})
        raise
    _say(channel, {"ready": True, "batch_sizes": list(engine.batch_sizes)})
    for line in sys.stdin:
        try:
            _say(channel, _answer(engine, json.loads(line)))
        except Exception as error:
            _say(channel, {"error": f"{type(error).__name__}: {error}"})


def _answer(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    if request["do"] == "answer":
        rows = [row.tolist() for batch in request["batches"] for row in engine.answer(batch)]
        return {"answers": rows}
    if request["do"] == "time":
        return {"seconds": _time(engine, request["batches"], request["seconds"], request["calls"])}
    gc.collect()
    start = perf_counter()
    engine.whole_list(request["texts"], request["batch_size"])
    return {"seconds": [perf_counter() - start]}


def _time(engine: Engine, batches: Sequence[list[str]], seconds: float, calls: int) -> list[float]:
    """Times of single calls, for at least so long and at least so many; two calls before them warm the caches."""
    for batch in batches[:2]:
        engine.answer(batch)
    gc.collect()
    times: list[float] = []
    stop = perf_counter() + seconds
    for batch in cycle(batches):
        start = perf_counter()
        engine.answer(batch)
        end = perf_counter()
        times.append(end - start)
        if end >= stop and len(times) >= calls:
            break
    return times


def _private_stdout() -> IO[str]:
    """Keep the real stdout for answers, and send what libraries print there to stderr."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return channel


def _stay_on_cpus(threads: int) -> None:
    """As many CPUs as threads: an engine that starts more of them gains nothing by it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _say(channel: IO[str], message: dict[str, Any]) -> None:
    channel.write(json.dumps(message) + "\n")
    channel.flush()


if __name__ == "__main__":
    main()
