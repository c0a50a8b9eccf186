"""`torchless bench`."""

from __future__ import annotations

import argparse
import sys

from torchless.errors import InputError, MissingExtraError

_NEEDED = ("torch", "transformers", "onnx", "safetensors", "matplotlib")
SHAPE_NAMES = ("distilbert-base", "minilm-l6", "tiny")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", help="a bundle: a folder, an installed package or a Hub id"
    )
    parser.add_argument("--against", metavar="CHECKPOINT", help="the checkpoint folder that the bundle was made from")
    parser.add_argument(
        "--shape",
        choices=SHAPE_NAMES,
        help="instead of MODEL: a checkpoint of this shape with random weights (tokenizer: CHECKPOINT's), exported now",
    )
    parser.add_argument("--embed", action="store_true", help="compare embeddings instead of classifiers")
    parser.add_argument("--evaluate", metavar="FILE", help="labelled text (.csv, .tsv, .jsonl): accuracy, disagreement")
    parser.add_argument("--texts", metavar="FILE", help="text for batches and the list; default: made, SST-2's lengths")
    parser.add_argument("--contenders", metavar="A,B", type=_names, help="default: all; an unknown name lists them")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="cuda: other engines, fp16")
    parser.add_argument("--threads", metavar="N", type=_count, help="default: the CPUs this process may use")
    parser.add_argument("--rounds", metavar="N", type=_count, help="interleaved rounds (default 7; 3 with --quick)")
    parser.add_argument("--quick", action="store_true", help="fewer engines, lengths and rounds: under 3 minutes")
    parser.add_argument("--installed-size", action="store_true", help="install both sides afresh with pip: minutes")
    parser.add_argument("--work", metavar="FOLDER", help="keep converted models here for the next run")
    parser.add_argument("--output", metavar="FOLDER", help="write results.jsonl, results.md and plots here")


def run(options: argparse.Namespace) -> int:
    """Measure, write the results, and print the tables."""
    if options.shape is None and not (options.model and options.against):
        raise InputError("expected MODEL and --against CHECKPOINT, or --shape SHAPE.")
    if options.shape and options.model:
        raise InputError("--shape makes its own bundle; leave MODEL out.")
    if options.embed and options.evaluate:
        raise InputError("--evaluate: embeddings have no labels to be right about. Leave one of the two out.")
    if options.embed and options.device != "cpu":
        raise InputError("--embed: embeddings are compared on the CPU alone. Leave --device out.")
    try:
        from .run import bench

        if options.output:
            from . import plots  # noqa: F401  # a missing matplotlib is to be heard of before the run, not after it
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        raise MissingExtraError("torchless bench", error.name, "bench") from error
    print(bench(options), file=sys.stdout)
    return 0


def _names(value: str) -> list[str]:
    return [name for name in value.split(",") if name]


def _count(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, got {value!r}")
    return int(value)
