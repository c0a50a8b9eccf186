"""`torchless export`."""

from __future__ import annotations

import argparse
import math
import sys

from torchless.errors import InputError, MissingExtraError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .reports import ExportReport, QualityReport

_NEEDED = ("torch", "transformers", "onnx", "safetensors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a folder that transformers wrote, or a Hub id")
    parser.add_argument("out", metavar="OUT", help="the bundle's folder; an older bundle there is replaced")
    parser.add_argument(
        "--precision",
        metavar="P",
        type=_precisions,
        help="of fp32, int8 and fp16 (for GPUs), joined by commas; default: fp32,int8, with optimum's graphs fp32",
    )
    parser.add_argument(
        "--engine",
        choices=["auto", "lean", "optimum"],
        default="auto",
        help="who writes the graphs; auto: lean for known architectures, else optimum",
    )
    parser.add_argument(
        "--graph", choices=["lean", "standard"], help="lean: packed tokens (default); standard: for other servers too"
    )
    parser.add_argument("--encoder-only", action="store_true", help="leave the classification head out")
    parser.add_argument(
        "--no-pairs", action="store_true", help="the bundle reads single texts alone; a pair is an error"
    )
    parser.add_argument("--calibration", metavar="FILE", help="text for the int8 scales; default: a built-in sample")
    parser.add_argument("--evaluate", metavar="FILE", help="labelled text (.csv, .tsv, .jsonl) to measure accuracy on")
    parser.add_argument("--column", metavar="C", help="the column or key of those files that holds the text")
    parser.add_argument("--pair-column", metavar="C", help="that of the second text of each pair; default: no pairs")
    gate = parser.add_argument_group("gates, which fail the export").add_argument
    gate("--max-difference", metavar="X", type=_positive, default=1e-4, help="fp32 from PyTorch (default 1e-4)")
    gate(
        "--max-disagreement",
        metavar="SHARE",
        type=_share,
        default=0.01,
        help="int8 and fp16 labels unlike fp32's (0.01)",
    )
    gate(
        "--max-score-error",
        metavar="SHARE",
        type=_share,
        default=0.05,
        help="the same for a head that answers a number, as a share of its spread (0.05)",
    )
    gate("--min-embedding-cosine", metavar="C", type=_share, default=0.9, help="their embeddings beside fp32's (0.9)")
    gate("--max-accuracy-drop", metavar="SHARE", type=_share, default=0.005, help="they under PyTorch (0.005)")
    parser.add_argument(
        "--trust-remote-code", action="store_true", help="run Python code that the checkpoint brings along"
    )
    parser.add_argument("--revision", metavar="REV", help="branch, tag or commit of a Hub id")


def run(options: argparse.Namespace) -> int:
    """Export, say what is going on, and print what was found."""
    try:
        from .exporting import export
        from .quality import Gates
        from .samples import Columns
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        raise MissingExtraError("torchless export", error.name, "export") from error
    if (options.column or options.pair_column) and not (options.calibration or options.evaluate):
        raise InputError("--column and --pair-column go with --calibration FILE or --evaluate FILE")
    report = export(
        options.checkpoint,
        options.out,
        precisions=options.precision,
        engine=options.engine,
        graph=options.graph,
        encoder_only=options.encoder_only,
        pairs=not options.no_pairs,
        calibration=options.calibration,
        evaluate=options.evaluate,
        columns=Columns(options.column, options.pair_column),
        gates=Gates(
            max_difference=options.max_difference,
            max_disagreement=options.max_disagreement,
            max_score_error=options.max_score_error,
            min_embedding_cosine=options.min_embedding_cosine,
            max_accuracy_drop=options.max_accuracy_drop,
        ),
        revision=options.revision,
        trust_remote_code=options.trust_remote_code,
        say=_say,
    )
    made = options.precision or ["fp32", *report.quality]
    print(f"{options.out}: a bundle of {' and '.join(made)}")
    for line in _summary(report):
        print(f"  {line}")
    return 0


def _say(line: str) -> None:
    if sys.stderr.isatty():
        print(f"{line} …", file=sys.stderr, flush=True)


def _summary(report: ExportReport) -> list[str]:
    parity, accuracy = report.parity, report.accuracy
    logits = "" if parity.max_logit_difference is None else f"logits within {parity.max_logit_difference:.1e}, "
    lines = [
        f"fp32 against PyTorch: {logits}hidden states within {parity.max_hidden_difference or 0:.1e} "
        f"({parity.texts} texts of {parity.shortest_tokens} to {parity.longest_tokens} tokens)"
    ]
    for precision, quality in report.quality.items():
        lines += _compared(precision, quality)
    if accuracy:
        variants = {name: getattr(accuracy, name) for name in ("fp32", "fp16", "int8")}
        shares = {"PyTorch": accuracy.torch, **variants}
        told = ", ".join(f"{engine} {share:.2%}" for engine, share in shares.items() if share is not None)
        lines.append(f"accuracy: {told} ({accuracy.texts} texts)")
    return lines


def _compared(precision: str, quality: QualityReport) -> list[str]:
    parts = [f"embeddings with a cosine of {quality.min_embedding_cosine:.4f} or more"]
    if quality.score_error is not None:
        parts.insert(0, f"scores differ by {quality.score_error:.2%} of their spread")
    if quality.disagreement is not None:
        parts.insert(0, f"{quality.disagreement:.2%} of texts have other labels")
    lines = [f"{precision} against fp32: {', '.join(parts)} ({quality.texts} texts, {quality.compared_on})"]
    if quality.neighbour_max_score_difference is not None:
        changed = quality.neighbour_labels_changed
        labels = "" if changed is None else f", {changed} texts changed labels"
        lines.append(
            f"{precision} alone against in batches: scores within {quality.neighbour_max_score_difference:.1e}{labels} "
            f"({quality.neighbour_texts} texts)"
        )
    return lines


def _precisions(value: str) -> list[str]:
    names = list(dict.fromkeys(value.split(",")))
    if set(names) - {"fp32", "fp16", "int8"}:
        raise argparse.ArgumentTypeError(f"expected some of fp32,fp16,int8, got {value!r}")
    return names


def _share(value: str) -> float:
    number = _number(value)
    if not 0 <= number <= 1:  # false for NaN too
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {value!r}")
    return number


def _positive(value: str) -> float:
    number = _number(value)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {value!r}")
    return number


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
