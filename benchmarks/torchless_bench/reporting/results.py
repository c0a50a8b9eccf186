"""All that a run measured, and comparisons between its contenders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torchless_bench.contenders.contender import ContenderKind
from torchless_bench.measuring.cold_start import ColdStart
from torchless_bench.measuring.contest import Entry
from torchless_bench.measuring.memory import Memory
from torchless_bench.measuring.spread import Spread, ratios
from torchless_bench.serving.contest import Served
from torchless_bench.workloads import Workload


@dataclass(frozen=True)
class Results:
    """A run.

    Attributes:
        entries: the contenders; the first is the reference.
        workloads: what was timed.
        common: the fields that every record repeats: model, task, date, threads, hardware, versions.
        cold_starts: the cold starts by way.
        peak_gflops: by library, the GFLOP/s of its best float32 matrix product on this machine.
        forward_gflop: GFLOP of the workload "8 x 32", as the "packed" graph computes it and as the "whole" model does.
        sizes_mb: installed sizes in MB; empty unless `--installed-size` was given.
        memory: resident memory by contender.
        servers: `torchless serve` and other servers; the first is ours.
        others_cpu_share: by workload, the share of the CPUs that processes outside the contest took while it was timed.
    """

    entries: Sequence[Entry]
    workloads: Sequence[Workload]
    common: Mapping[str, Any]
    cold_starts: Mapping[str, ColdStart] = field(default_factory=dict)
    peak_gflops: Mapping[str, float] = field(default_factory=dict)
    forward_gflop: Mapping[str, float] = field(default_factory=dict)
    sizes_mb: Mapping[str, float] = field(default_factory=dict)
    memory: Mapping[str, Memory] = field(default_factory=dict)
    servers: Sequence[Served] = ()
    others_cpu_share: Mapping[str, float] = field(default_factory=dict)

    @property
    def reference(self) -> Entry:
        """The entry that all others are compared with."""
        return self.entries[0]

    def entry(self, name: str) -> Entry | None:
        """A contender by its name; None if it did not take part."""
        return next((entry for entry in self.entries if entry.contender.name == name), None)

    def ratio(self, workload: str, ours: Entry | None, theirs: Entry | None) -> Spread | None:
        """How many times faster `ours` was than `theirs`; None unless both are ranked and were timed."""
        if not (ours and theirs and ours.ranked and theirs.ranked):
            return None
        if workload not in ours.times or workload not in theirs.times:
            return None
        return ratios(theirs.times[workload], ours.times[workload])

    def best_other(self, workload: str, kind: ContenderKind) -> Entry | None:
        """The fastest ranked contender of a kind that is not Torchless; None if there is none."""
        others = [
            entry
            for entry in self.entries
            if entry.contender.kind == kind
            and not entry.contender.name.startswith("torchless")
            and entry.ranked
            and workload in entry.times
        ]
        return min(others, key=lambda entry: Spread.of(entry.times[workload]).median, default=None)

    def peak_share(self) -> float | None:
        """GFLOP/s of Torchless fp32 as a share of the machine's best; None if one of the two was not measured."""
        ours = self.entry("torchless-fp32")
        workload = next((workload for workload in self.workloads if workload.kind == "packed"), None)
        if not (ours and workload and self.peak_gflops and self.forward_gflop and workload.name in ours.times):
            return None
        seconds = Spread.of(ours.times[workload.name]).median
        return self.forward_gflop["packed"] / seconds / max(self.peak_gflops.values())
