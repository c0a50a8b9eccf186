"""Whole rows of a file of any size into a table, with the answers as new columns."""

from __future__ import annotations

import argparse

from torchless.bulk.formats import is_table, refuse_unknown

from . import stderr, text_input
from .status_line import StatusLine
from .text_output import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from torchless.bulk.questions import Model, Question
    from torchless.bulk.run import Done

WITH_ERRORS = 3  # exit code of a run that is complete, with rows that have no answer
_DEFAULT_MIB = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a run that writes a table."""
    group = parser.add_argument_group(
        "tables",
        "With --input FILE and --output TABLE every row is written with all its columns, and the answers as new ones. "
        "A table is .csv, .tsv, .jsonl, .parquet, .arrow or .feather, each also with .gz or .zst. It appears when it "
        "is complete; a command that was interrupted continues when it is repeated.",
    ).add_argument
    group("--prefix", metavar="TEXT", help="what the names of the new columns begin with (default: nothing)")
    group(
        "--overwrite",
        action="store_true",
        help="replace an output that exists, and whatever stands at TABLE.errors.jsonl (default: it is refused)",
    )
    group("--restart", action="store_true", help="begin anew (default: an unfinished run of the command is continued)")
    group(
        "--strict",
        action="store_true",
        help="stop at the first row that cannot be answered, with exit code 1 (default: such rows have empty answers "
        "and are listed in TABLE.errors.jsonl, and the exit code is 3)",
    )
    group(
        "--memory",
        metavar="MIB",
        type=_mebibytes,
        help=f"memory for rows that are in work, beside the model, in MiB, 16 or more (default: {_DEFAULT_MIB})",
    )
    group(
        "--ray",
        metavar="ADDRESS",
        type=_address,
        help="answer on a Ray cluster, for example HOST:6379; auto: the one of this machine; local: start one here "
        "(default: in this process)",
    )
    group("--ray-actors", metavar="N", type=_count, help="models loaded on the cluster (default: one per CPU or GPU)")
    group("--ray-cpus", metavar="N", type=_count, help="CPUs of each of them (default: 1)")


def wanted(options: argparse.Namespace) -> bool:
    """Whether a command line asks for a table.

    Raises:
        InputError: it names an output with an extension that is not known.
        SystemExit: it does not, but has options that only tables have; argparse has said so.
    """
    if options.input and options.output and not getattr(options, "json", False):
        if is_table(options.output):
            return True
        refuse_unknown(options.output)
    names = ("prefix", "overwrite", "restart", "strict", "memory", "ray", "ray_actors", "ray_cpus")
    if given := [f"--{name.replace('_', '-')}" for name in names if getattr(options, name)]:
        options.wrong_usage(
            f"{', '.join(given)}: expected with --input FILE and --output TABLE, such as out.csv, and without --json"
        )
    return False


def run(options: argparse.Namespace, question: Callable[[Model], Question]) -> int:
    """Answer every row; what is asked is made of the model that the command line names."""
    from torchless.bulk.job import Job
    from torchless.bulk.questions import Model
    from torchless.bulk.run import StoppedError
    from torchless.bulk.run import run as run_job

    if options.texts:
        options.wrong_usage("expected texts from one source: TEXT arguments (- is stdin) or --input FILE")
    text_input.check_pair(options)
    if (options.ray_actors or options.ray_cpus) and not options.ray:
        options.wrong_usage("--ray-actors and --ray-cpus need --ray ADDRESS")
    model = Model(options.model, **text_input.running(options))
    job = Job(
        options.input,
        options.output,
        question(model),
        text_input.wanted(options),
        options.input_format,
        (options.memory or _DEFAULT_MIB) << 20,
        options.strict,
        options.restart,
        options.overwrite,
    )
    try:
        with StatusLine() as status:
            if options.ray:
                from torchless.bulk.cluster import Cluster

                with Cluster(options.ray, options.ray_actors, options.ray_cpus) as cluster:
                    done = run_job(job, cluster.answering, "Ray", status)
            else:
                from torchless.bulk.answering import Here

                done = run_job(job, Here, status=status)
    except StoppedError as error:  # at a bad row, too
        stderr.say(visible(str(error)))
        return 1
    return _report(options.output, done)


def _report(output: str, done: Done) -> int:
    """What the run has done, on stderr."""
    totals, rows = done.totals, done.totals.rows - done.kept
    pace = f", {rows / done.seconds:,.0f} rows/s" if done.seconds else ""
    pace += f", {done.tokens / done.seconds:,.0f} tokens/s" if done.tokens else ""
    before = f", {done.kept:,} of them by an earlier run" if done.kept else ""
    parts = [f"{totals.rows:,} rows in {done.seconds:,.1f} s{pace}{before}"]
    parts += (
        [", ".join(f"{label} {count:,}" for label, count in sorted(totals.counts.items()))] if totals.counts else []
    )
    parts.append(f"{totals.truncated:,} truncated")
    parts.append(f"{totals.problems:,} errors" + (f", listed in {done.errors}" if done.errors else ""))
    stderr.say(f"{output}: {'; '.join(parts)}")
    return WITH_ERRORS if totals.problems else 0


def _mebibytes(value: str) -> int:
    return _whole(value, 16)


def _count(value: str) -> int:
    return _whole(value, 1)


def _whole(value: str, least: int) -> int:
    try:
        number = int(value)
    except ValueError:
        number = 0
    if not least <= number <= 1 << 20:
        raise argparse.ArgumentTypeError(f"expected a whole number of {least} or more, got {value!r}")
    return number


def _address(value: str) -> str:
    if not value.strip():
        raise argparse.ArgumentTypeError("expected local, auto or HOST:PORT, got ''")
    return value
