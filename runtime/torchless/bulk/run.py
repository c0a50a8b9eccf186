"""A whole run: chunks of rows are answered, kept, and joined into the output when all of them are there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchless.atomic_files import hand_on_permissions, writing
from torchless.errors import InputError
from torchless.running.memory import trim

from . import side_file
from .answering import Answering, Answers
from .chunks import Budget, chunks
from .folder_columns import folder_values
from .job import Begun, Job, begin
from .kept import Totals
from .overlap import Behind
from .progress import Progress, Silent, Status
from .questions import Question
from .rows import Problem


class StoppedError(InputError):
    """The input cannot be read any further, or was changed, after work had begun."""


class BadRowError(StoppedError):
    """A row has no answer, and the run was asked to stop at the first one."""


@dataclass(frozen=True)
class Done:
    """What a run has done.

    Attributes:
        totals: of all rows, those that earlier runs have kept included.
        seconds: how long this run took.
        kept: how many rows earlier runs had done.
        tokens: how many this run has read.
        errors: the side file; None where every row has an answer.
    """

    totals: Totals
    seconds: float
    kept: int
    tokens: int
    errors: Path | None


def run(
    job: Job, answering: Callable[[Question], Answering], where: str = "onnxruntime", status: Status | None = None
) -> Done:
    """Do a job, or the rest of it.

    Args:
        job: what.
        answering: loads the model; called when all else has been checked.
        where: as in `job.begin`.
        status: told how far it is (default: nobody is).

    Raises:
        InputError: as `job.begin`, before any work.
        StoppedError: the input cannot be read any further, or was changed, or values have not the type of those before.
        BadRowError: the job is strict, and a row has no answer.
        TorchlessError: as loading the model; the model failed, the disk is full. What is finished is kept.
    """
    begun_at, status = time.monotonic(), status or Silent()
    status.show(f"reading {job.input}")  # JSON lines whole, before any work
    begun = begin(job, where)
    before = begun.kept.totals.rows
    try:
        loaded = answering(begun.question)
        try:
            tokens = _answer_all(job, begun, loaded, status)
            for file in begun.files:
                file.refuse_change()
        except StoppedError:
            raise
        except InputError as error:
            raise StoppedError(str(error)) from error
        totals = begun.kept.totals
        errors = _complete(begun)
    except BaseException:
        if begun.kept.chunks:
            status.note(
                f"torchless: {begun.kept.totals.rows:,} rows are finished and kept in {begun.kept.folder}. "
                "Repeat the command to continue."
            )
        raise
    finally:
        begun.kept.leave()
    return Done(totals, time.monotonic() - begun_at, before, tokens, errors)


def _answer_all(job: Job, begun: Begun, answering: Answering, status: Status) -> int:
    """Keep every chunk that is not kept yet; returns how many tokens were read."""
    kept = begun.kept
    budget = Budget.of(job.memory, begun.question.answer_bytes(begun.bundle))
    progress = Progress(begun.source.rows, kept.totals.rows)
    tokens = 0

    def keep(answers: Answers) -> None:
        nonlocal tokens
        pieces, totals, problems = _chunk(job, begun, answers)
        kept.add(pieces, totals, problems)
        tokens += totals.tokens
        trim()
        status.show(progress.line(kept.totals, tokens, answers.chunk.share))

    rest = chunks(begun.source.blocks(kept.totals.rows), budget)
    with closing(answering.answers(rest)) as answered, Behind(keep) as behind:
        for answers in answered:
            behind.give(answers)
    return tokens


def _chunk(job: Job, begun: Begun, answers: Answers) -> tuple[Any, Totals, dict[int, Problem]]:
    """A chunk as it is kept."""
    chunk, answered = answers.chunk, answers.answered
    problems = chunk.problems | {place: chunk.problem(place, why) for place, why in answers.refused().items()}
    first = begun.kept.totals.rows + 1
    numbered = {first + place: problems[place] for place in sorted(problems)}
    if job.strict and numbered:
        row, problem = next(iter(numbered.items()))
        raise BadRowError(f"{problem.where(row)}: {problem.reason}. Without --strict such rows go to a file of errors.")
    columns = [*folder_values(begun.folders, begun.files, chunk.origins), *answers.columns()]
    totals = Totals(len(chunk.texts), answered.truncated, answered.tokens, len(problems), answered.counts)
    return begun.target.encode(chunk, columns), totals, numbered


def _complete(begun: Begun) -> Path | None:
    """Join the chunks, and put the output in its place; returns the side file."""
    kept, beside = begun.kept, side_file.side_file_of(begun.output)
    begun.target.assemble(kept.parts(), kept.whole)
    if kept.totals.problems:
        side_file.write(beside, kept.problems())
    else:
        with writing(beside):
            beside.unlink(missing_ok=True)  # of a run whose output is replaced now
    hand_on_permissions(begun.output, kept.whole)
    with writing(begun.output):
        os.replace(kept.whole, begun.output)  # noqa: PTH105
    kept.remove()
    return beside if kept.totals.problems else None
