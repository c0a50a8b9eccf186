"""The lines of results.jsonl: one record per measurement, each of them complete without the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from torchless_bench.measuring.contest import Entry
from torchless_bench.measuring.spread import Spread
from torchless_bench.workloads import Workload

from .results import Results


def json_lines(results: Results) -> Iterator[str]:
    """Every record as a line of JSON."""
    for record in _records(results):
        yield json.dumps({**record, **results.common}, ensure_ascii=False)


def _records(results: Results) -> Iterator[dict[str, Any]]:
    for entry in results.entries:
        yield _contender(entry)
    for workload in results.workloads:
        for entry in results.entries:
            if workload.name in entry.times:
                yield _time(results, workload, entry)
    yield from _cold_starts(results)
    yield from _servers(results)
    yield from _memory(results)
    if results.peak_gflops:
        gflop = results.forward_gflop
        yield {
            "record": "peak",
            "sgemm_gflops": dict(results.peak_gflops),
            "forward_gflop": {"lean": gflop["packed"], "whole": gflop["whole"]},  # "lean" as in records of earlier runs
            "share": results.peak_share(),
        }
    for what, size_mb in results.sizes_mb.items():
        yield {"record": "installed size", "what": what, "mb": round(size_mb, 1)}


def _contender(entry: Entry) -> dict[str, Any]:
    answers = asdict(entry.agreement) if entry.agreement else None
    return {
        "record": "contender",
        **_identity(entry),
        "problem": entry.problem,
        "answers": answers,
        "accuracy": entry.accuracy,
    }


def _time(results: Results, workload: Workload, entry: Entry) -> dict[str, Any]:
    seconds = entry.times[workload.name]
    ratio = results.ratio(workload.name, entry, results.reference)
    return {
        "record": "time",
        **_identity(entry),
        "workload": workload.name,
        "workload_kind": workload.kind,
        "texts": workload.texts_per_call,
        "tokens": workload.tokens,
        "batch_size": entry.batch_sizes.get(workload.name) or None,
        "ms": asdict(Spread.of([1000 * value for value in seconds])),
        "rounds_ms": [round(1000 * value, 4) for value in seconds],
        "others_cpu_share": round(results.others_cpu_share.get(workload.name, 0.0), 4),
        "times_faster_than_reference": asdict(ratio) if ratio else None,
    }


def _cold_starts(results: Results) -> Iterator[dict[str, Any]]:
    for way, start in results.cold_starts.items():
        record: dict[str, Any] = {"record": "cold start", "way": way, "problem": start.problem}
        if not start.problem:
            record |= {"seconds": asdict(Spread.of(start.seconds)), "peak_rss_mib": asdict(start.peak_memory)}
        yield record


def _servers(results: Results) -> Iterator[dict[str, Any]]:
    for served in results.servers:
        if served.problem:
            yield {"record": "server", "server": served.title, "problem": served.problem}
        for number, load in served.loads.items():
            yield {
                "record": "server",
                "server": served.title,
                "problem": None,
                "requests_at_a_time": number,
                "requests_per_s": asdict(Spread.of(load.per_second)),
                "p50_ms": asdict(Spread.of(load.p50_ms)),
                "p99_ms": asdict(Spread.of(load.p99_ms)),
                "statuses": load.statuses,
            }


def _memory(results: Results) -> Iterator[dict[str, Any]]:
    for entry in results.entries:
        memory = results.memory.get(entry.contender.name)
        if memory:
            yield {"record": "memory", **_identity(entry), **asdict(memory)}


def _identity(entry: Entry) -> dict[str, Any]:
    contender = entry.contender
    return {"contender": contender.name, "title": contender.title, "kind": contender.kind, "ranked": entry.ranked}
