"""The contest: load everybody, compare answers, then time them round by round."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from torchless.errors import TorchlessError

from .answers import INT8_DISAGREEMENT, Agreement, Task, accuracy
from .contenders import Contender, Floats, Job
from .machine import busy_cpu_seconds
from .process import NotInstalledError, Worker, WorkerError
from .progress import Progress
from .workloads import Workload

_ANSWER_BATCH = 32
_TRIAL_SHARE, _TRIAL_TEXTS = 0.1, 64  # of a list, to find an engine's best batch size: the larger of the two


class BenchError(TorchlessError):
    """There is nothing to compare with: the reference itself cannot run."""


@dataclass
class Entry:
    """A contender in this contest.

    Attributes:
        contender: who it is.
        worker: its process; None once it is out.
        problem: why it is out, or not ranked; None for a contender that is ranked.
        agreement: its answers beside the reference's.
        accuracy: on the labelled file; None without one.
        times: by workload, the median seconds of a call in each round.
        batch_sizes: by list workload, the batch size that suited it best.
    """

    contender: Contender
    worker: Worker | None = None
    problem: str | None = None
    agreement: Agreement | None = None
    accuracy: float | None = None
    times: dict[str, list[float]] = field(default_factory=dict)
    batch_sizes: dict[str, int] = field(default_factory=dict)

    @property
    def ranked(self) -> bool:
        """Whether its times count."""
        return self.problem is None


@dataclass(frozen=True)
class Pace:
    """How long to measure.

    Attributes:
        rounds: of every workload but lists.
        seconds: of calls in a round, at least.
        calls: in a round, at least.
        list_rounds: of lists.
    """

    rounds: int = 7
    seconds: float = 0.3
    calls: int = 3
    list_rounds: int = 3


class Contest:
    """All contenders, each in its own process, and one of them running at a time.

    Attributes:
        entries: the contenders; the first is the reference.
        others_cpu_share: by workload, the share of the CPUs that processes outside the contest took meanwhile.
    """

    def __init__(self, contenders: Sequence[Contender], job: Job, progress: Progress) -> None:
        self.entries = [Entry(contender) for contender in contenders]
        self.others_cpu_share: dict[str, float] = {}
        self._job = job
        self._progress = progress

    @property
    def reference(self) -> Entry:
        """The entry that all others are compared with."""
        return self.entries[0]

    def load(self) -> None:
        """Load one after another; whoever cannot is out, and the report says why.

        Raises:
            BenchError: the reference is out.
        """
        for entry in self.entries:
            name = entry.contender.name
            self._progress.show(f"loading {entry.contender.title} …")
            with self._may_fail(entry):
                entry.worker = Worker(entry.contender.load, self._job, Path(self._job.work) / f"{name}.log")
                entry.worker.load()
                entry.worker.wait_until_quiet()
        if self.reference.worker is None:
            raise BenchError(f"{self.reference.contender.title} is the reference, and {self.reference.problem}.")

    def compare(
        self,
        texts: Sequence[str],
        labelled: tuple[Sequence[str], Sequence[int]] | None = None,
        task: Task = "classify",
        max_disagreement: float = INT8_DISAGREEMENT,
    ) -> None:
        """Compare everybody's answers with the reference's, on the labelled texts too where there are any.

        Raises:
            BenchError: the reference does not answer.
        """
        asked, labels = [*texts, *(labelled[0] if labelled else [])], labelled[1] if labelled else []
        batches = [asked[start : start + _ANSWER_BATCH] for start in range(0, len(asked), _ANSWER_BATCH)]
        expected: Floats | None = None
        for entry in self._running():
            self._progress.show(f"comparing answers: {entry.contender.title} …")
            with self._may_fail(entry) as worker:
                answers = np.array(worker.ask(do="answer", batches=batches)["answers"], np.float32)
                expected = answers if expected is None else expected
                entry.agreement = Agreement.between(expected, answers)
                entry.problem = entry.agreement.finding(entry.contender.kind, task, max_disagreement)
                entry.accuracy = accuracy(answers[len(texts) :], labels) if labels else None
            if expected is None:
                raise BenchError(f"{self.reference.contender.title} is the reference, and {self.reference.problem}.")

    def time(self, workload: Workload, pace: Pace) -> None:
        """Time a workload in interleaved rounds: everybody once, then everybody again, in the opposite order."""
        rounds = pace.list_rounds if workload.kind == "list" else pace.rounds
        times: dict[str, list[float]] = {}
        for entry in self._running(ranked=True):
            self._progress.show(f"{workload.name} · warming up · {entry.contender.title}")
            with self._may_fail(entry) as worker:
                self._warm_up(entry, worker, workload)
        start, others = time.monotonic(), self._others_cpu_seconds()
        for number in range(rounds):
            entries = list(self._running(ranked=True))
            for entry in entries if number % 2 == 0 else reversed(entries):
                self._progress.show(f"{workload.name} · round {number + 1} of {rounds} · {entry.contender.title}")
                with self._may_fail(entry) as worker:
                    seconds = _measure(worker, workload, pace, entry.batch_sizes.get(workload.name, 0))
                    times.setdefault(entry.contender.name, []).append(seconds)
        capacity = (time.monotonic() - start) * (os.cpu_count() or 1)
        self.others_cpu_share[workload.name] = max(0.0, self._others_cpu_seconds() - others) / capacity
        for entry in self._running(ranked=True):  # whoever dropped out on the way has too few rounds to compare
            entry.times[workload.name] = times[entry.contender.name]

    def close(self) -> None:
        """End every process."""
        for entry in self.entries:
            if entry.worker is not None:
                entry.worker.close()
                entry.worker = None

    def __enter__(self) -> Contest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self, *, ranked: bool = False) -> Iterator[Entry]:
        return (entry for entry in self.entries if entry.worker is not None and (entry.ranked or not ranked))

    @contextmanager
    def _may_fail(self, entry: Entry) -> Iterator[Worker]:
        """A contender's failure is a line of the report, not the end of the run."""
        try:
            yield entry.worker  # type: ignore[misc]  # None while loading, and not used there
            if entry.worker is not None:
                entry.worker.wait_until_quiet()
        except WorkerError as error:
            entry.problem = str(error) if isinstance(error, NotInstalledError) else f"failed: {error}"
            if entry.worker is not None:
                entry.worker.close()
                entry.worker = None
            self._progress.note(f"{entry.contender.title}: {entry.problem}")

    def _others_cpu_seconds(self) -> float:
        ours = sum(entry.worker.cpu_seconds() for entry in self.entries if entry.worker is not None)
        return busy_cpu_seconds() - ours - time.process_time()

    def _warm_up(self, entry: Entry, worker: Worker, workload: Workload) -> None:
        """Run every batch once; for a list, find the batch size that suits the engine best."""
        if workload.kind != "list":
            worker.ask(do="time", batches=workload.batches, seconds=0, calls=len(workload.batches))
            return
        trial = workload.batches[0][: max(_TRIAL_TEXTS, int(_TRIAL_SHARE * workload.texts_a_call))]
        sizes = worker.batch_sizes
        if len(sizes) == 1:
            entry.batch_sizes[workload.name] = sizes[0]
            return
        seconds = {size: worker.ask(do="list", texts=trial, batch_size=size)["seconds"][0] for size in sizes}
        entry.batch_sizes[workload.name] = min(seconds, key=lambda size: seconds[size])


def _measure(worker: Worker, workload: Workload, pace: Pace, batch_size: int) -> float:
    if workload.kind == "list":
        answer = worker.ask(do="list", texts=workload.batches[0], batch_size=batch_size)
    else:
        answer = worker.ask(do="time", batches=workload.batches, seconds=pace.seconds, calls=pace.calls)
    seconds: list[float] = answer["seconds"]
    return median(seconds)
