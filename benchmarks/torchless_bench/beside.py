"""What a run measures beside the contest: cold starts, servers, memory, the machine's peak, installed sizes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from .contenders.contender import Input, Setup
from .journal import Journal
from .measuring import cold_start, flops, installed_size, memory
from .measuring.contest import Entry
from .schedule import LOAD_S, text_seconds
from .serving.contest import CONCURRENCY, Served, hold
from .serving.servers import QUICK_TITLES, TITLES, servers
from .status_line import StatusLine

_MEMORY_TEXTS, _QUICK_MEMORY_TEXTS = 10_000, 1_000
_SERVER_ROUNDS, _SERVER_S = 3, 5.0
_QUICK_SERVER_ROUNDS, _QUICK_SERVER_S = 1, 2.0
_START_S, _SERVER_START_S, _PEAK_S, _INSTALL_S = 4.0, 10.0, 6.0, 180.0  # expected


@dataclass(frozen=True)
class Beside:
    """The measurements of one run. What the journal holds is not measured again."""

    options: argparse.Namespace
    setup: Setup
    journal: Journal
    status_line: StatusLine

    def plan(self, ranked: Collection[Entry], config: Mapping[str, Any]) -> None:
        """Plan the steps that the journal does not hold yet."""
        expected: list[tuple[str, str, float]] = []
        if self._starts:
            expected.append(("cold start", "all", self._start_rounds * _START_S))
        if self.setup.device == "cpu":
            expected.append(("peak", "all", _PEAK_S))
        if self._memory:
            texts_s = self._memory_texts * text_seconds(config)
            expected += [("memory", entry.contender.name, LOAD_S + texts_s) for entry in ranked]
        if self._serves:
            seconds = _SERVER_START_S + len(CONCURRENCY) * self._server_s
            rounds = range(self._server_rounds)
            expected += [("server", f"{number} {title}", seconds) for number in rounds for title in self._server_titles]
        if self.options.installed_size:
            expected.append(("size", "all", _INSTALL_S))
        for kind, name, seconds in expected:
            if self.journal.found(kind, *name.split(" ", 1)) is None:
                self.status_line.time_left.plan(kind, name, seconds)

    def cold_starts(self, precisions: Collection[str]) -> dict[str, cold_start.ColdStart]:
        """Seconds and memory from a new process to its first label."""
        if not self._starts:
            return {}
        measure = partial(cold_start.measure, self.setup, precisions, rounds=self._start_rounds)
        found = self._step("cold start", "cold starts …", lambda: _dicts(measure()))
        return {way: cold_start.ColdStart(**fields) for way, fields in found.items()}

    def memory(self, entries: Sequence[Entry], texts: Sequence[Input], whole_list: str) -> dict[str, memory.Memory]:
        """Resident memory by contender, at the batch size that was fastest for the whole list."""
        found = {}
        for entry in entries if self._memory else ():
            contender, size = entry.contender, entry.batch_sizes.get(whole_list, 0)
            if not entry.ranked or whole_list not in entry.times:
                continue
            given = [texts[place % len(texts)] for place in range(self._memory_texts)]
            self.status_line.show(f"memory · {len(given):,} texts · {contender.title}")
            with self.status_line.step("memory", contender.name):
                measure = partial(memory.measure, contender, self.setup, given, size)
                kept = self.journal.once(lambda run=measure: asdict(run()), "memory", contender.name)  # type: ignore[misc]
            found[contender.name] = memory.Memory(**kept)
        return found

    def servers(self, texts: Sequence[Input]) -> list[Served]:
        """`torchless serve` and other servers of classifiers."""
        if not self._serves:
            return []
        setup, asked = self.setup, [str(text) for text in texts]
        every = servers(setup.bundle, setup.checkpoint, asked, logs=setup.work, threads=setup.threads)
        return hold(
            [server for server in every if server.title in self._server_titles],
            rounds=self._server_rounds,
            seconds=self._server_s,
            journal=self.journal,
            status_line=self.status_line,
        )

    def peak_gflops(self) -> dict[str, float]:
        """The best float32 matrix product of each library."""
        if self.setup.device != "cpu":
            return {}
        measure = partial(flops.peak_gflops, self.setup.threads, self.setup.isa)
        found: dict[str, float] = self._step("peak", "the machine's peak …", measure)
        return found

    def forward_gflop(self) -> dict[str, float]:
        """GFLOP of the workload "8 x 32", as the packed graph computes it and as the whole model does."""
        config = model_config(self.setup)
        classifies = self.options.task in ("classify", "pairs")
        return {
            "packed": flops.forward_gflop(config, 8, 32, first_token_only=classifies),
            "whole": flops.forward_gflop(config, 8, 32, first_token_only=False),
        }

    def sizes_mb(self) -> dict[str, float]:
        """Installed sizes."""
        if not self.options.installed_size:
            return {}
        line = "installing Torchless and PyTorch into empty folders …"
        found: dict[str, float] = self._step("size", line, lambda: installed_size.measure(self.setup.work))
        return found

    @property
    def _starts(self) -> bool:
        return self.options.task == "classify" and self.setup.device == "cpu" and not self.options.isa

    @property
    def _start_rounds(self) -> int:
        return 3 if self.options.quick else max(self.options.rounds or 7, 5)

    @property
    def _serves(self) -> bool:
        return self._starts

    @property
    def _server_titles(self) -> tuple[str, ...]:
        return QUICK_TITLES if self.options.quick else TITLES

    @property
    def _server_rounds(self) -> int:
        return _QUICK_SERVER_ROUNDS if self.options.quick else _SERVER_ROUNDS

    @property
    def _server_s(self) -> float:
        return _QUICK_SERVER_S if self.options.quick else _SERVER_S

    @property
    def _memory(self) -> bool:
        return self.setup.device == "cpu" and not self.options.isa

    @property
    def _memory_texts(self) -> int:
        return _QUICK_MEMORY_TEXTS if self.options.quick else _MEMORY_TEXTS

    def _step(self, kind: str, line: str, measure: Any) -> Any:
        self.status_line.show(line)
        with self.status_line.step(kind, "all"):
            return self.journal.once(measure, kind, "all")


def model_config(setup: Setup) -> dict[str, Any]:
    """The checkpoint's config.json."""
    config: dict[str, Any] = json.loads((setup.checkpoint / "config.json").read_text(encoding="utf-8"))
    return config


def _dicts(measured: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asdict(value) for name, value in measured.items()}
