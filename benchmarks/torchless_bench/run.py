"""A whole run: make the texts, hold the contest, measure what lies outside it, write it all down."""

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

from . import cold_start, installed_size, machine, markdown, peak, shapes, texts, workloads
from .answers import INT8_DISAGREEMENT
from .contenders import CLASSIFIERS, ENCODERS, ON_GPU, Contender, Job
from .contest import Contest, Pace
from .progress import Progress
from .results import Results

_LIST_TEXTS, _QUICK_LIST_TEXTS = 2000, 200
_QUICK_LENGTHS = (16, 128)


def bench(options: argparse.Namespace) -> str:
    """Run everything that a command line asks for; returns the Markdown report.

    Raises:
        InputError: an option does not fit.
        BenchError: PyTorch cannot run the checkpoint, so there is nothing to compare with.
        BundleError, ExportError: the bundle cannot be used, or not be made.
    """
    contenders = _contenders(options)
    progress = Progress()
    with tempfile.TemporaryDirectory(prefix="torchless-bench-") as temporary:
        work = Path(options.work or temporary).resolve()
        work.mkdir(parents=True, exist_ok=True)
        job = _job(options, work, progress)
        results = _measure(options, contenders, job, progress)
    progress.clear()
    page = markdown.report(results)
    if options.output:
        write(results, page, Path(options.output))
    return page


def write(results: Results, page: str, folder: Path) -> None:
    """Write results.jsonl, results.md and the plots."""
    from . import plots

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.jsonl").write_text("".join(line + "\n" for line in results.json_lines()), encoding="utf-8")
    (folder / "results.md").write_text(page, encoding="utf-8")
    plots.draw([json.loads(line) for line in results.json_lines()], folder)


def _contenders(options: argparse.Namespace) -> list[Contender]:
    table = ENCODERS if options.embed else CLASSIFIERS if options.device == "cpu" else ON_GPU
    if options.contenders is None:
        return [contender for contender in table if contender.quick or not options.quick]
    unknown = set(options.contenders) - {contender.name for contender in table}
    if unknown:
        known = ", ".join(contender.name for contender in table)
        raise InputError(f"--contenders: expected some of {known}, got {', '.join(sorted(unknown))}.")
    return [contender for contender in table if contender.name in options.contenders or contender is table[0]]


def _job(options: argparse.Namespace, work: Path, progress: Progress) -> Job:
    """Checkpoint and bundle, made on the spot where a shape is asked for."""
    threads = options.threads or available_threads()
    if not options.shape:
        checkpoint = Path(options.against).resolve()
        if not checkpoint.is_dir():
            raise InputError(f"--against {options.against}: there is no such folder.")
        opened = Bundle.open(options.model)
        opened.fetch()
        return Job(checkpoint, opened.path.resolve(), work, threads, options.device)
    checkpoint, bundle = work / "checkpoint", work / "bundle"
    progress.show(f"making a random {options.shape} …")
    shapes.make(options.shape, checkpoint, Path(options.against) if options.against else None)
    precisions: list[Precision] = ["fp32", "int8" if options.device == "cpu" else "fp16"]
    shapes.export(checkpoint, bundle, precisions, say=lambda line: progress.show(f"exporting: {line} …"))
    return Job(checkpoint, bundle, work, threads, options.device)


def _measure(options: argparse.Namespace, contenders: Sequence[Contender], job: Job, progress: Progress) -> Results:
    bundle = Bundle.open(job.bundle)
    labelled = samples.labelled(Path(options.evaluate), bundle.manifest.labels) if options.evaluate else None
    loads = _workloads(options, bundle)
    pace = Pace(rounds=options.rounds or 3, seconds=0.15, list_rounds=2) if options.quick else Pace()
    if options.rounds and not options.quick:
        pace = Pace(rounds=options.rounds, list_rounds=min(options.rounds, pace.list_rounds))
    probe = [*samples.built_in(), *(load.batches[0][0] for load in loads if load.kind == "single")]
    with Contest(contenders, job, progress) as contest:
        contest.load()
        # A random head's labels are a coin's: an int8 engine may change any of them.
        contest.compare(
            probe,
            ([str(text) for text in labelled.texts], labelled.labels) if labelled else None,
            task="embed" if options.embed else "classify",
            max_disagreement=1.0 if options.shape else INT8_DISAGREEMENT,
        )
        for load in loads:
            contest.time(load, pace)
    starts: dict[str, cold_start.Start] = {}
    if not options.embed and options.device == "cpu":
        progress.show("cold starts …")
        starts = cold_start.measure(job, bundle.manifest.variants, rounds=3 if options.quick else max(pace.rounds, 5))
    peak_gflops: dict[str, float] = {}
    if options.device == "cpu":
        progress.show("the machine's peak …")
        peak_gflops = peak.sgemm_gflops(job.threads)
    config = json.loads((job.checkpoint / "config.json").read_text(encoding="utf-8"))
    sizes = {}
    if options.installed_size:
        progress.show("installing both sides afresh …")
        sizes = installed_size.measure(job.work)
    return Results(
        setting=_setting(options, job, bundle),
        entries=contest.entries,
        workloads=loads,
        starts=starts,
        peak_gflops=peak_gflops,
        forward_gflop={
            "lean": peak.forward_gflop(config, 8, 32, first_token_only=not options.embed),
            "whole": peak.forward_gflop(config, 8, 32, first_token_only=False),
        },
        sizes_mb=sizes,
        others_cpu_share=contest.others_cpu_share,
    )


def _workloads(options: argparse.Namespace, bundle: Bundle) -> list[workloads.Workload]:
    tokenizer = tokenizers.Tokenizer.from_file(str(bundle.path / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return workloads.workloads(
        texts.TextMaker(lambda text: len(tokenizer.encode(text).ids)),
        bundle.manifest.max_tokens,
        texts.read(Path(options.texts)) if options.texts else None,
        list_texts=_QUICK_LIST_TEXTS if options.quick else _LIST_TEXTS,
        lengths=_QUICK_LENGTHS if options.quick else workloads.LENGTHS,
    )


def _setting(options: argparse.Namespace, job: Job, bundle: Bundle) -> dict[str, Any]:
    name = f"{options.shape}, random weights" if options.shape else bundle.manifest.source.name
    return {
        "model": name,
        "task": "embed" if options.embed else "classify",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "threads": job.threads,
        "hardware": machine.hardware() | ({"gpu": machine.gpu()} if job.device == "cuda" else {}),
        "versions": machine.versions(),
    }
