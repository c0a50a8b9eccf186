"""What a run found, as records: one JSON line each, every line complete in itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .cold_start import Start
from .contest import Entry
from .statistics import Spread, ratios
from .workloads import Workload


@dataclass(frozen=True)
class Results:
    """A run.

    Attributes:
        setting: what holds for all of it: model, date, threads, hardware, versions.
        entries: the contenders, the reference first.
        workloads: what was timed.
        starts: cold starts by way.
        peak_gflops: the machine's measured float32 peak by library.
        forward_gflop: of the packed workload: as the lean graph computes it, and as the whole model.
        sizes_mb: installed sizes; empty unless asked for.
        others_cpu_share: by workload, the share of the CPUs that processes outside the contest took meanwhile.
    """

    setting: Mapping[str, Any]
    entries: Sequence[Entry]
    workloads: Sequence[Workload]
    starts: Mapping[str, Start] = field(default_factory=dict)
    peak_gflops: Mapping[str, float] = field(default_factory=dict)
    forward_gflop: Mapping[str, float] = field(default_factory=dict)
    sizes_mb: Mapping[str, float] = field(default_factory=dict)
    others_cpu_share: Mapping[str, float] = field(default_factory=dict)

    @property
    def reference(self) -> Entry:
        """The entry that the others are held against."""
        return self.entries[0]

    def entry(self, name: str) -> Entry | None:
        """A contender by name."""
        return next((entry for entry in self.entries if entry.contender.name == name), None)

    def ratio(self, workload: str, ours: Entry | None, theirs: Entry | None) -> Spread | None:
        """How many times faster `ours` was; None unless both are ranked and were timed."""
        if not (ours and theirs and ours.ranked and theirs.ranked):
            return None
        if workload not in ours.times or workload not in theirs.times:
            return None
        return ratios(theirs.times[workload], ours.times[workload])

    def best_peer(self, workload: str, kind: str) -> Entry | None:
        """The fastest ranked contender of a kind that is not Torchless."""
        peers = [
            entry
            for entry in self.entries
            if entry.contender.kind == kind
            and not entry.contender.name.startswith("torchless")
            and entry.ranked
            and workload in entry.times
        ]
        return min(peers, key=lambda entry: Spread.of(entry.times[workload]).median, default=None)

    def peak_share(self) -> float | None:
        """The share of the machine's peak at which Torchless fp32 runs the packed workload, of the work it does."""
        ours = self.entry("torchless-fp32")
        packed = next((workload for workload in self.workloads if workload.kind == "packed"), None)
        if not (ours and packed and self.peak_gflops and self.forward_gflop and packed.name in ours.times):
            return None
        seconds = Spread.of(ours.times[packed.name]).median
        return self.forward_gflop["lean"] / seconds / max(self.peak_gflops.values())

    def json_lines(self) -> Iterator[str]:
        """Every record as a line of JSON."""
        for record in self._records():
            yield json.dumps({**record, **self.setting}, ensure_ascii=False)

    def _records(self) -> Iterator[dict[str, Any]]:
        for entry in self.entries:
            yield {"record": "contender", **_who(entry), "problem": entry.problem} | _answers(entry)
        for workload in self.workloads:
            for entry in self.entries:
                if workload.name in entry.times:
                    yield self._time(workload, entry)
        for way, start in self.starts.items():
            yield {"record": "cold start", "way": way, "problem": start.problem} | (
                {}
                if start.problem
                else {"seconds": asdict(Spread.of(start.seconds)), "peak_rss_mib": asdict(start.peak)}
            )
        if self.peak_gflops:
            yield {
                "record": "peak",
                "sgemm_gflops": dict(self.peak_gflops),
                "forward_gflop": dict(self.forward_gflop),
                "share": self.peak_share(),
            }
        for what, size in self.sizes_mb.items():
            yield {"record": "installed size", "what": what, "mb": round(size, 1)}

    def _time(self, workload: Workload, entry: Entry) -> dict[str, Any]:
        seconds = entry.times[workload.name]
        ratio = self.ratio(workload.name, entry, self.reference)
        return {
            "record": "time",
            **_who(entry),
            "workload": workload.name,
            "workload_kind": workload.kind,
            "texts": workload.texts_a_call,
            "tokens": workload.tokens,
            "batch_size": entry.batch_sizes.get(workload.name) or None,
            "ms": asdict(Spread.of([1000 * value for value in seconds])),
            "rounds_ms": [round(1000 * value, 4) for value in seconds],
            "others_cpu_share": round(self.others_cpu_share.get(workload.name, 0.0), 4),
            "times_faster_than_reference": asdict(ratio) if ratio else None,
        }


def _who(entry: Entry) -> dict[str, Any]:
    contender = entry.contender
    return {"contender": contender.name, "title": contender.title, "kind": contender.kind, "ranked": entry.ranked}


def _answers(entry: Entry) -> dict[str, Any]:
    return {"answers": asdict(entry.agreement) if entry.agreement else None, "accuracy": entry.accuracy}
