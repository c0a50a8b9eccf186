"""The contest: load all contenders, compare their answers, then time them round by round.

What the journal holds is not measured again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np

from torchless.errors import TorchlessError
from torchless_bench.contenders.contender import Contender, Floats, Input, Setup
from torchless_bench.journal import Journal
from torchless_bench.status_line import StatusLine
from torchless_bench.tasks import BenchmarkTask
from torchless_bench.workloads import WHOLE, Workload

from . import cpu_time
from .agreement import INT8_DISAGREEMENT, Agreement, accuracy
from .contender_process import ContenderError, ContenderProcess, NotInstalledError

_ANSWER_BATCH = 32
# The part of a list that is tried at each batch size, to find the best one: the larger of the two.
_TRIAL_SHARE, _TRIAL_TEXTS = 0.1, 64


class BenchError(TorchlessError):
    """The reference cannot run, so there is nothing to compare with."""

    def __init__(self, reference: Entry) -> None:
        super().__init__(f"{reference.contender.title} is the reference, and {reference.problem}.")


@dataclass
class Entry:
    """A contender in this contest.

    Attributes:
        contender: the contender.
        process: the process it runs in; None before it is loaded and after it failed.
        problem: why it is not ranked; None if it is.
        agreement: its answers compared with the reference's.
        accuracy: share of the labelled texts that it labels right; None without labelled texts.
        times: by workload, the median seconds of a call in each round.
        batch_sizes: by list workload, the batch size that was fastest.
    """

    contender: Contender
    process: ContenderProcess | None = None
    problem: str | None = None
    agreement: Agreement | None = None
    accuracy: float | None = None
    times: dict[str, list[float]] = field(default_factory=dict)
    batch_sizes: dict[str, int] = field(default_factory=dict)

    @property
    def ranked(self) -> bool:
        """Whether its times count."""
        return self.problem is None

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request to its process, and wait for the answer.

        Raises:
            ContenderError: it failed.
        """
        assert self.process is not None
        return self.process.ask(**request)

    def close(self) -> None:
        """End its process."""
        if self.process is not None:
            self.process.close()
            self.process = None


@dataclass(frozen=True)
class Pace:
    """How long to measure.

    Attributes:
        rounds: number of rounds of every workload but lists.
        seconds: least duration of the calls in a round.
        calls: least number of calls in a round.
        list_rounds: number of rounds of lists.
    """

    rounds: int = 7
    seconds: float = 0.3
    calls: int = 3
    list_rounds: int = 3


class Contest:
    """All contenders, each in its own process, and only one of them running at a time.

    Attributes:
        entries: the contenders; the first is the reference.
        others_cpu_share: by workload, the share of the CPUs that processes outside the contest took while it was timed.
    """

    def __init__(
        self, contenders: Sequence[Contender], setup: Setup, status_line: StatusLine, journal: Journal | None = None
    ) -> None:
        self.entries = [Entry(contender) for contender in contenders]
        self.others_cpu_share: dict[str, float] = {}
        self._setup = setup
        self._status_line = status_line
        self._journal = Journal() if journal is None else journal

    @property
    def reference(self) -> Entry:
        """The entry that all others are compared with."""
        return self.entries[0]

    def recall(self) -> None:
        """Take over what the journal holds about contenders: their answers, and why some are not ranked."""
        for entry in self.entries:
            name = entry.contender.name
            answers = self._journal.found("answers", name)
            if answers:
                entry.agreement, entry.accuracy = Agreement(**answers["agreement"]), answers["accuracy"]
            entry.problem = self._journal.found("problem", name) or (answers["problem"] if answers else None)

    def load(self) -> None:
        """Load all contenders that are still ranked, one after another. One that cannot be loaded is not ranked.

        Raises:
            BenchError: the reference cannot be loaded.
        """
        for entry in self.entries:
            contender = entry.contender
            if not entry.ranked:
                continue
            self._status_line.show(f"loading {contender.title} …")
            with self._may_fail(entry), self._status_line.step("load", contender.name):
                entry.process = ContenderProcess(
                    contender.load, self._setup, self._setup.work / f"{contender.name}.log"
                )
                entry.process.load()
        if self.reference.process is None:
            raise BenchError(self.reference)

    def compare(
        self,
        texts: Sequence[Input],
        labelled: tuple[Sequence[Input], Sequence[int]] | None = None,
        task: BenchmarkTask = "classify",
        max_disagreement: float = INT8_DISAGREEMENT,
    ) -> None:
        """Compare every contender's answers with the reference's.

        Args:
            texts: what to compare on.
            labelled: more texts to compare on, and their right labels, from which accuracy is computed.
            task: what the answers are.
            max_disagreement: largest share of texts for which an int8 or fp16 contender may give another label.

        Raises:
            BenchError: the reference does not answer.
        """
        if all(entry.agreement for entry in self._running()):
            return
        asked, labels = [*texts, *(labelled[0] if labelled else [])], labelled[1] if labelled else []
        batches = [asked[start : start + _ANSWER_BATCH] for start in range(0, len(asked), _ANSWER_BATCH)]
        expected: Floats | None = None
        for entry in self._running():
            if entry.agreement and entry is not self.reference:
                continue
            self._status_line.show(f"comparing answers: {entry.contender.title} …")
            with self._may_fail(entry), self._status_line.step("answers", entry.contender.name):
                answers = np.array(entry.ask(do="answer", batches=batches)["answers"], np.float32)
                expected = answers if expected is None else expected
                entry.agreement = Agreement.between(expected, answers)
                entry.problem = entry.agreement.problem(entry.contender.kind, task, max_disagreement)
                entry.accuracy = accuracy(answers[len(texts) :], labels) if labels else None
                kept = {"agreement": asdict(entry.agreement), "problem": entry.problem, "accuracy": entry.accuracy}
                self._journal.keep(kept, "answers", entry.contender.name)
            if expected is None:
                raise BenchError(self.reference)

    def time(self, workload: Workload, pace: Pace) -> None:
        """Time a workload in interleaved rounds: every contender once, and the next round in the opposite order."""
        with self._status_line.step("time", workload.name):
            kept = self._journal.once(lambda: self._time(workload, pace), "time", workload.name)
        self.others_cpu_share[workload.name] = kept["others_cpu_share"]
        for entry in self.entries:
            name = entry.contender.name
            if name in kept["times"]:
                entry.times[workload.name] = kept["times"][name]
            if name in kept["batch_sizes"]:
                entry.batch_sizes[workload.name] = kept["batch_sizes"][name]

    def _time(self, workload: Workload, pace: Pace) -> dict[str, Any]:
        rounds = pace.list_rounds if workload.kind in WHOLE else pace.rounds
        times: dict[str, list[float]] = {}
        for entry in self._running(ranked=True):
            self._status_line.show(f"{workload.name} · warming up · {entry.contender.title}")
            with self._may_fail(entry):
                _warm_up(entry, workload)
        start, others = time.monotonic(), self._others_cpu_seconds()
        for number in range(rounds):
            entries = list(self._running(ranked=True))
            for entry in entries if number % 2 == 0 else reversed(entries):
                self._status_line.show(f"{workload.name} · round {number + 1} of {rounds} · {entry.contender.title}")
                with self._may_fail(entry):
                    times.setdefault(entry.contender.name, []).append(_call_seconds(entry, workload, pace))
        capacity = (time.monotonic() - start) * (os.cpu_count() or 1)
        # One that failed in between has too few rounds to be compared.
        timed = [entry for entry in self._running(ranked=True) if entry.contender.name in times]
        return {
            "others_cpu_share": max(0.0, self._others_cpu_seconds() - others) / capacity,
            "times": {entry.contender.name: times[entry.contender.name] for entry in timed},
            "batch_sizes": {
                entry.contender.name: entry.batch_sizes[workload.name]
                for entry in timed
                if workload.name in entry.batch_sizes
            },
        }

    def close(self) -> None:
        """End every process."""
        for entry in self.entries:
            entry.close()

    def __enter__(self) -> Contest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self, *, ranked: bool = False) -> Iterator[Entry]:
        return (entry for entry in self.entries if entry.process is not None and (entry.ranked or not ranked))

    @contextmanager
    def _may_fail(self, entry: Entry) -> Iterator[None]:
        """A contender that fails becomes a line of the report; the run goes on without it."""
        try:
            yield
            if entry.process is not None:
                entry.process.wait_until_quiet()
        except ContenderError as error:
            entry.problem = str(error) if isinstance(error, NotInstalledError) else f"failed: {error}"
            entry.close()
            if entry is not self.reference:  # without the reference the run ends, and is to be tried again
                self._journal.keep(entry.problem, "problem", entry.contender.name)
            self._status_line.note(f"{entry.contender.title}: {entry.problem}")

    def _others_cpu_seconds(self) -> float:
        ours = sum(entry.process.cpu_seconds() for entry in self.entries if entry.process is not None)
        return cpu_time.of_machine() - ours - time.process_time()


def _warm_up(entry: Entry, workload: Workload) -> None:
    """Run every batch once; for a list or a file, find the contender's fastest batch size."""
    if workload.kind not in WHOLE:
        entry.ask(do="time", batches=workload.batches, seconds=0, calls=len(workload.batches))
        return
    assert entry.process is not None
    sizes = entry.process.batch_sizes
    if len(sizes) == 1:
        entry.batch_sizes[workload.name] = sizes[0]
        return
    trial = workload.batches[0][: max(_TRIAL_TEXTS, int(_TRIAL_SHARE * workload.texts_per_call))]
    seconds = {size: entry.ask(do="list", texts=trial, batch_size=size)["seconds"][0] for size in sizes}
    entry.batch_sizes[workload.name] = min(seconds, key=lambda size: seconds[size])


def _call_seconds(entry: Entry, workload: Workload, pace: Pace) -> float:
    """The median seconds of a call in one round."""
    if workload.kind in WHOLE:
        answer = entry.ask(do=workload.kind, texts=workload.batches[0], batch_size=entry.batch_sizes[workload.name])
    else:
        answer = entry.ask(do="time", batches=workload.batches, seconds=pace.seconds, calls=pace.calls)
    seconds: list[float] = answer["seconds"]
    return median(seconds)
