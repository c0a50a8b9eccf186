"""`torchless bench`: its options."""

from __future__ import annotations

import argparse
import sys

from torchless.errors import InputError, needs_extra

from .tasks import PAIR_TASKS, TASKS

_NEEDED = ("torch", "transformers", "onnx", "safetensors", "matplotlib")
SHAPE_NAMES = ("distilbert-base", "minilm-l6", "tiny")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    _add_model_arguments(parser)
    _add_contest_arguments(parser)
    parser.add_argument(
        "--installed-size",
        action="store_true",
        help="also install Torchless and PyTorch into empty folders with pip and report their sizes, which takes "
        "minutes (default: sizes are not measured)",
    )
    parser.add_argument(
        "--work",
        metavar="FOLDER",
        help="folder that keeps converted models for the next run and what was measured for --resume, a folder of its "
        "own for each model (default: a temporary folder)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with a run that was interrupted: the same command with the same --work; what was measured is not "
        "measured again (default: begin anew)",
    )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        help="folder to write results.jsonl, results.md and the plots to (default: tables on stdout only)",
    )


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", help="a bundle: a folder, an installed model package or a Hub id"
    )
    parser.add_argument(
        "--against",
        metavar="CHECKPOINT",
        help="folder of the checkpoint that MODEL was exported from; with --shape, the one whose tokenizer is used "
        "(default: with --shape, a tokenizer made for this run)",
    )
    parser.add_argument(
        "--shape",
        choices=SHAPE_NAMES,
        help="instead of MODEL, a DistilBERT of this shape with random weights, exported for this run (default: MODEL)",
    )
    parser.add_argument(
        "--task",
        choices=TASKS,
        default="classify",
        help="what the model is asked for: labels of texts or of pairs, scores of documents for a query, labels of "
        "tokens, or embeddings (default: classify)",
    )
    parser.add_argument(
        "--embed", dest="task", action="store_const", const="embed", help="the same as --task embed (default: classify)"
    )
    _add_file_arguments(parser)


def _add_file_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--evaluate",
        metavar="FILE",
        help="labelled texts (.csv, .tsv, .jsonl, .json) to measure accuracy on (default: accuracy is not measured)",
    )
    parser.add_argument(
        "--texts",
        metavar="FILE",
        help="texts (.txt, .csv, .tsv, .jsonl, .json) for the batches and the list "
        "(default: made texts with SST-2's lengths)",
    )
    parser.add_argument(
        "--column",
        metavar="NAME",
        help="column of --texts and --evaluate with the text (default: text or sentence)",
    )
    parser.add_argument(
        "--pair-column",
        metavar="NAME",
        help="with --task pairs and --task rank, the column of --texts and --evaluate with the second text "
        "(default: none)",
    )


def _add_contest_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--contenders",
        metavar="A,B",
        type=_names,
        help="names of the contenders beside the reference; an unknown name is an error that lists all names "
        "(default: all; with --quick, those that load quickly)",
    )
    parser.add_argument(
        "--device",
        choices=["cpu", "cuda"],
        default="cpu",
        help="device to measure on; cuda has other contenders, some of them in fp16 (default: cpu)",
    )
    parser.add_argument(
        "--threads",
        metavar="N",
        type=_count,
        help="number of CPU threads of each contender (default: the CPUs that this process may use)",
    )
    parser.add_argument(
        "--rounds", metavar="N", type=_count, help="number of interleaved rounds (default: 7; with --quick, 3)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="fewer contenders, lengths, texts and rounds: about 4 minutes on two cores (default: all of them)",
    )
    parser.add_argument(
        "--isa",
        choices=["avx2"],
        help="let all contenders find a CPU with AVX2 and nothing newer; needs Linux and a CPU whose CPUID can fault "
        "(default: the whole CPU)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write the results, and print the tables.

    Raises:
        InputError: options contradict each other, or one does not fit.
        MissingExtraError: a package of the extra `bench` is not installed.
    """
    if options.shape is None and not (options.model and options.against):
        raise InputError("expected MODEL and --against CHECKPOINT, or --shape SHAPE.")
    if options.shape and options.model:
        raise InputError("--shape makes its own bundle; leave MODEL out.")
    _refuse_contradictions(options)
    with needs_extra("torchless bench", "bench", *_NEEDED):
        from .benchmark import benchmark

        if options.output:
            from .reporting import plots  # noqa: F401  # a missing matplotlib is reported before the run, not after it
    print(benchmark(options), file=sys.stdout)
    return 0


def _refuse_contradictions(options: argparse.Namespace) -> None:
    if options.task not in ("classify", "pairs") and options.evaluate:
        raise InputError(
            f"--evaluate measures the accuracy of labels of texts, and --task {options.task} answers none. "
            "Leave one of the two out."
        )
    if options.task != "classify" and options.device != "cpu":
        raise InputError(f"--task {options.task} is measured on the CPU only. Leave --device out.")
    if options.task == "tag" and options.shape:
        raise InputError("--task tag: --shape makes a model that labels texts. Give MODEL and --against CHECKPOINT.")
    files = options.texts or options.evaluate
    if options.task in PAIR_TASKS and files and not options.pair_column:
        raise InputError(
            f"--task {options.task}: expected --pair-column NAME, the column of the file with the second texts."
        )
    if options.pair_column and options.task not in PAIR_TASKS:
        raise InputError("--pair-column goes with --task pairs and --task rank.")
    if (options.column or options.pair_column) and not files:
        raise InputError("--column and --pair-column go with --texts FILE or --evaluate FILE.")
    if options.resume and not options.work:
        raise InputError("--resume: expected --work FOLDER, the one of the run that was interrupted.")
    if options.isa:
        from .measuring import avx2

        problem = "--device cuda runs on a GPU" if options.device != "cpu" else avx2.why_not()
        if problem:
            raise InputError(f"--isa {options.isa} is not possible: {problem}.")


def _names(value: str) -> list[str]:
    return [name for name in value.split(",") if name]


def _count(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, got {value!r}")
    return int(value)
