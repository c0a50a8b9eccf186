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

from . import hardware_and_versions, random_distilbert, workload_texts
from .contenders.contender import Contender, Setup
from .contenders.tables import CLASSIFIERS, ENCODERS, GPU_CLASSIFIERS
from .measuring import cold_start, flops, installed_size
from .measuring.agreement import INT8_DISAGREEMENT
from .measuring.contest import Contest, Pace
from .reporting import markdown
from .reporting.records import json_lines
from .reporting.results import Results
from .status_line import StatusLine
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
        InputError: an option does not fit.
        BenchError: the reference cannot run the checkpoint, so there is nothing to compare with.
        BundleError: the bundle cannot be used.
        ExportError: the checkpoint of `--shape` cannot be exported.
    """
    contenders = _contenders(options)
    status_line = StatusLine()
    with tempfile.TemporaryDirectory(prefix="torchless-bench-") as temporary:
        work = Path(options.work or temporary).resolve()
        work.mkdir(parents=True, exist_ok=True)
        setup = _setup(options, work, status_line)
        results = _measure(options, contenders, setup, status_line)
    status_line.clear()
    page = markdown.report(results)
    if options.output:
        write(results, page, Path(options.output))
    return page


def write(results: Results, page: str, folder: Path) -> None:
    """Write results.jsonl, results.md and the plots."""
    from .reporting import plots

    folder.mkdir(parents=True, exist_ok=True)
    lines = list(json_lines(results))
    (folder / "results.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    (folder / "results.md").write_text(page, encoding="utf-8")
    plots.draw([json.loads(line) for line in lines], folder)


def _contenders(options: argparse.Namespace) -> list[Contender]:
    table = ENCODERS if options.embed else CLASSIFIERS if options.device == "cpu" else GPU_CLASSIFIERS
    if options.contenders is None:
        return [contender for contender in table if contender.quick or not options.quick]
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
        return Setup(checkpoint, opened.path.resolve(), work, threads, options.device)
    checkpoint, bundle = work / "checkpoint", work / "bundle"
    status_line.show(f"making a random {options.shape} …")
    random_distilbert.make(options.shape, checkpoint, Path(options.against) if options.against else None)
    precisions: list[Precision] = ["fp32", "int8" if options.device == "cpu" else "fp16"]
    random_distilbert.export(checkpoint, bundle, precisions, say=lambda line: status_line.show(f"exporting: {line} …"))
    return Setup(checkpoint, bundle, work, threads, options.device)


def _measure(
    options: argparse.Namespace, contenders: Sequence[Contender], setup: Setup, status_line: StatusLine
) -> Results:
    bundle = Bundle.open(setup.bundle)
    labelled = samples.labelled(Path(options.evaluate), bundle.manifest.labels) if options.evaluate else None
    workloads, pace = _workloads(options, bundle), _pace(options)
    with Contest(contenders, setup, status_line) as contest:
        contest.load()
        _compare(contest, options, workloads, labelled)
        for workload in workloads:
            contest.time(workload, pace)
    return Results(
        entries=contest.entries,
        workloads=workloads,
        cold_starts=_cold_starts(options, setup, bundle, pace, status_line),
        peak_gflops=_peak_gflops(setup, status_line),
        forward_gflop=_forward_gflop(options, setup),
        sizes_mb=_sizes_mb(options, setup, status_line),
        others_cpu_share=contest.others_cpu_share,
        common=_common_fields(options, setup, bundle),
    )


def _workloads(options: argparse.Namespace, bundle: Bundle) -> list[Workload]:
    tokenizer = tokenizers.Tokenizer.from_file(str(bundle.path / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return all_workloads(
        workload_texts.TextMaker(lambda text: len(tokenizer.encode(text).ids)),
        bundle.manifest.max_tokens,
        workload_texts.read(Path(options.texts)) if options.texts else None,
        list_texts=_QUICK_LIST_TEXTS if options.quick else _LIST_TEXTS,
        lengths=_QUICK_LENGTHS if options.quick else LENGTHS,
    )


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
    contest.compare(
        [*samples.built_in(), *one_per_length],
        ([str(text) for text in labelled.texts], labelled.labels) if labelled else None,
        task="embed" if options.embed else "classify",
        # With random weights a tiny difference can change the label, so int8 may change any of them.
        max_disagreement=1.0 if options.shape else INT8_DISAGREEMENT,
    )


def _cold_starts(
    options: argparse.Namespace, setup: Setup, bundle: Bundle, pace: Pace, status_line: StatusLine
) -> dict[str, cold_start.ColdStart]:
    if options.embed or options.device != "cpu":
        return {}
    status_line.show("cold starts …")
    return cold_start.measure(setup, bundle.manifest.variants, rounds=3 if options.quick else max(pace.rounds, 5))


def _peak_gflops(setup: Setup, status_line: StatusLine) -> dict[str, float]:
    if setup.device != "cpu":
        return {}
    status_line.show("the machine's peak …")
    return flops.peak_gflops(setup.threads)


def _forward_gflop(options: argparse.Namespace, setup: Setup) -> dict[str, float]:
    config = json.loads((setup.checkpoint / "config.json").read_text(encoding="utf-8"))
    return {
        "packed": flops.forward_gflop(config, 8, 32, first_token_only=not options.embed),
        "whole": flops.forward_gflop(config, 8, 32, first_token_only=False),
    }


def _sizes_mb(options: argparse.Namespace, setup: Setup, status_line: StatusLine) -> dict[str, float]:
    if not options.installed_size:
        return {}
    status_line.show("installing Torchless and PyTorch into empty folders …")
    return installed_size.measure(setup.work)


def _common_fields(options: argparse.Namespace, setup: Setup, bundle: Bundle) -> dict[str, Any]:
    name = f"{options.shape}, random weights" if options.shape else bundle.manifest.source.name
    gpu = {"gpu": hardware_and_versions.gpu()} if setup.device == "cuda" else {}
    return {
        "model": name,
        "task": "embed" if options.embed else "classify",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "threads": setup.threads,
        "hardware": hardware_and_versions.hardware() | gpu,
        "versions": hardware_and_versions.versions(),
    }
