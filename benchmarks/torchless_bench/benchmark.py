"""A whole run of `torchless bench`: prepare the model, hold the contest, measure the rest, write the report."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tokenizers

from torchless.bundle.bundle import Bundle
from torchless.bundle.manifest import TOKENIZER, Precision
from torchless.errors import InputError
from torchless.running.threads import available_threads
from torchless_export import samples

from . import fingerprint, hardware_and_versions, random_distilbert, schedule, workload_texts
from .beside import Beside, model_config
from .contenders.contender import Contender, Input, Setup
from .contenders.tables import CLASSIFIERS, ENCODERS, GPU_CLASSIFIERS, RERANKERS, TAGGERS
from .journal import Journal
from .measuring.agreement import INT8_DISAGREEMENT
from .measuring.contest import Contest, Pace
from .reporting import markdown
from .reporting.records import json_lines
from .reporting.results import Results
from .status_line import StatusLine
from .tasks import PAIR_TASKS
from .workloads import LENGTHS, Workload, all_workloads

_LIST_TEXTS, _QUICK_LIST_TEXTS = 2000, 200
_QUICK_LENGTHS = (16, 128)


def benchmark(options: argparse.Namespace) -> str:
    """Run everything that a command line asks for.

    Args:
        options: as command.py parses them.

    Returns:
        The report in Markdown.

    Raises:
        InputError: an option does not fit, or `--resume` finds another run.
        BenchError: the reference cannot run the checkpoint, so there is nothing to compare with.
        BundleError: the bundle cannot be used.
        ExportError: the checkpoint of `--shape` cannot be exported.
    """
    contenders = _contenders(options)
    with tempfile.TemporaryDirectory(prefix="torchless-bench-") as temporary, StatusLine() as status_line:
        work = Path(options.work or temporary).resolve()
        work.mkdir(parents=True, exist_ok=True)
        try:
            setup = _setup(options, work, status_line)
            journal = _journal(options, contenders, setup, status_line)
            results = _measure(options, contenders, setup, journal, status_line)
        except (KeyboardInterrupt, SystemExit):  # Ctrl-C, SIGTERM
            if options.work:
                status_line.note("What was measured is kept; the same command with --resume goes on from there.")
            raise
    page = markdown.report(results)
    if options.output:
        write(results, page, Path(options.output))
    return page


def _journal(
    options: argparse.Namespace, contenders: Sequence[Contender], setup: Setup, status_line: StatusLine
) -> Journal:
    """What is measured, kept in the work folder where that outlives the run."""
    if not options.work:
        return Journal()
    run = fingerprint.of(options, contenders, setup)
    if not options.resume:
        return Journal.begin(setup.work, run)
    journal = Journal.resume(setup.work, run)
    status_line.note(f"--resume: {len(journal)} measurements of {setup.work} are kept")
    return journal


def write(results: Results, page: str, folder: Path) -> None:
    """Write results.jsonl, results.md and the plots."""
    from .reporting import plots

    folder.mkdir(parents=True, exist_ok=True)
    lines = list(json_lines(results))
    (folder / "results.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    (folder / "results.md").write_text(page, encoding="utf-8")
    plots.draw([json.loads(line) for line in lines], folder)


def _contenders(options: argparse.Namespace) -> list[Contender]:
    tables = {"classify": CLASSIFIERS, "pairs": CLASSIFIERS, "rank": RERANKERS, "tag": TAGGERS, "embed": ENCODERS}
    table = tables[options.task] if options.device == "cpu" else GPU_CLASSIFIERS
    if options.contenders is None:
        return [
            contender
            for contender in table
            if (contender.quick or not options.quick) and (contender.limited or not options.isa)
        ]
    unknown = set(options.contenders) - {contender.name for contender in table}
    if unknown:
        known = ", ".join(contender.name for contender in table)
        raise InputError(f"--contenders: expected some of {known}, got {', '.join(sorted(unknown))}.")
    return [contender for contender in table if contender.name in options.contenders or contender is table[0]]


def _setup(options: argparse.Namespace, work: Path, status_line: StatusLine) -> Setup:
    """The checkpoint and the bundle; with `--shape`, both are made first."""
    threads = options.threads or available_threads()
    if not options.shape:
        checkpoint = Path(options.against).resolve()
        if not checkpoint.is_dir():
            raise InputError(f"--against {options.against}: there is no such folder.")
        opened = Bundle.open(options.model)
        opened.fetch()
        return Setup(checkpoint, opened.path.resolve(), work, threads, options.device, isa=options.isa)
    setup = Setup(work / "checkpoint", work / "bundle", work, threads, options.device, isa=options.isa)
    if not (options.resume and setup.bundle.exists()):
        _make_shape(options, setup, status_line)
    return setup


def _make_shape(options: argparse.Namespace, setup: Setup, status_line: StatusLine) -> None:
    status_line.show(f"making a random {options.shape} …")
    random_distilbert.make(options.shape, setup.checkpoint, Path(options.against) if options.against else None)
    precisions: list[Precision] = ["fp32", "int8" if options.device == "cpu" else "fp16"]
    random_distilbert.export(
        setup.checkpoint, setup.bundle, precisions, say=lambda line: status_line.show(f"exporting: {line} …")
    )


def _measure(
    options: argparse.Namespace,
    contenders: Sequence[Contender],
    setup: Setup,
    journal: Journal,
    status_line: StatusLine,
) -> Results:
    bundle = Bundle.open(setup.bundle)
    where = samples.Columns(options.column, options.pair_column)
    labelled = samples.labelled(Path(options.evaluate), bundle.manifest.labels, where) if options.evaluate else None
    workloads, pace = _workloads(options, bundle), _pace(options)
    beside = Beside(options, setup, journal, status_line)
    with Contest(contenders, setup, status_line, journal) as contest:
        contest.recall()
        config = model_config(setup)
        schedule.plan(status_line.time_left, journal, contest.entries, workloads, pace, config)
        beside.plan([entry for entry in contest.entries if entry.ranked], config)
        if not _complete(contest, journal, workloads):
            contest.load()
            _compare(contest, options, workloads, labelled)
        for workload in workloads:
            contest.time(workload, pace)
    (whole_list,) = (workload for workload in workloads if workload.kind == "list")
    return Results(
        entries=contest.entries,
        workloads=workloads,
        cold_starts=beside.cold_starts(bundle.manifest.variants),
        servers=beside.servers(whole_list.batches[0]),
        memory=beside.memory(contest.entries, whole_list.batches[0], whole_list.name),
        peak_gflops=beside.peak_gflops(),
        forward_gflop=beside.forward_gflop(),
        sizes_mb=beside.sizes_mb(),
        others_cpu_share=contest.others_cpu_share,
        common=_common_fields(options, setup, bundle),
    )


def _complete(contest: Contest, journal: Journal, workloads: Sequence[Workload]) -> bool:
    """Whether no contender has to be loaded: all were compared, and everything was timed."""
    compared = all(entry.agreement or entry.problem for entry in contest.entries)
    return compared and all(journal.found("time", workload.name) for workload in workloads)


def _workloads(options: argparse.Namespace, bundle: Bundle) -> list[Workload]:
    _refuse_other_model(options, bundle)
    tokenizer = tokenizers.Tokenizer.from_file(str(bundle.path / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return all_workloads(
        workload_texts.TextMaker(
            lambda *texts: len(tokenizer.encode(*texts).ids),
            pairs=options.task in PAIR_TASKS,
            one_query=options.task == "rank",
        ),
        bundle.manifest.max_tokens,
        workload_texts.read(Path(options.texts), samples.Columns(options.column, options.pair_column))
        if options.texts
        else None,
        list_texts=_QUICK_LIST_TEXTS if options.quick else _LIST_TEXTS,
        lengths=_QUICK_LENGTHS if options.quick else LENGTHS,
    )


def _refuse_other_model(options: argparse.Namespace, bundle: Bundle) -> None:
    """Refuse a task that the bundle is not made for, before PyTorch gives it a head of random weights.

    Raises:
        InputError: it is not.
    """
    kind = bundle.manifest.kind
    if options.task == "embed":
        return
    if kind == "encoder":
        raise InputError(f"--task {options.task}: {bundle.path} has no head. Give --task embed.")
    if options.task in PAIR_TASKS and not bundle.manifest.pairs:
        raise InputError(f"--task {options.task}: {bundle.path} reads single texts.")
    if options.task == "tag" and kind != "token_classifier":
        raise InputError(f"--task tag: {bundle.path} does not label tokens.")
    if kind == "token_classifier" and options.task != "tag":
        raise InputError(f"--task {options.task}: {bundle.path} labels tokens. Give --task tag.")


def _pace(options: argparse.Namespace) -> Pace:
    if options.quick:
        return Pace(rounds=options.rounds or 3, seconds=0.15, list_rounds=2)
    if options.rounds:
        return Pace(rounds=options.rounds, list_rounds=min(options.rounds, Pace().list_rounds))
    return Pace()


def _compare(
    contest: Contest, options: argparse.Namespace, workloads: Sequence[Workload], labelled: samples.Labelled | None
) -> None:
    """Compare answers on the built-in sample, on a text of every length, and on the labelled file if there is one."""
    one_per_length = [workload.batches[0][0] for workload in workloads if workload.kind == "single"]
    lines = samples.built_in()
    built_in: list[Input] = [*zip(lines[::2], lines[1::2], strict=True)] if options.task in PAIR_TASKS else [*lines]
    contest.compare(
        [*built_in, *one_per_length],
        ([workload_texts.given(text) for text in labelled.texts], labelled.labels) if labelled else None,
        task=options.task,
        # With random weights a tiny difference can change the label, so int8 may change any of them.
        max_disagreement=1.0 if options.shape else INT8_DISAGREEMENT,
    )


def _common_fields(options: argparse.Namespace, setup: Setup, bundle: Bundle) -> dict[str, Any]:
    name = f"{options.shape}, random weights" if options.shape else bundle.manifest.source.name
    gpu = {"gpu": hardware_and_versions.gpu()} if setup.device == "cuda" else {}
    limit = {"isa": setup.isa} if setup.isa else {}
    return {
        "model": name,
        "task": options.task,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "threads": setup.threads,
        "hardware": hardware_and_versions.hardware(setup.isa) | gpu | limit,
        "versions": hardware_and_versions.versions(),
    }
