"""`torchless export`."""

from __future__ import annotations

import argparse
import dataclasses
import math
import shlex
import sys
import warnings

from torchless.cli.status_line import StatusLine
from torchless.errors import InputError, needs_extra

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .reports import ExportReport, Gates, QualityReport

_GATES = {
    "max_difference": 1e-4,
    "max_disagreement": 0.05,
    "max_score_error": 0.2,
    "min_embedding_cosine": 0.9,
    "max_accuracy_drop": 0.005,
    "max_entity_disagreement": 0.1,
}  # as in reports.Gates, which --help has no time to import
_GRAPHS = ("auto", "packed", "padded", "optimum")
# What a repeated command keeps where it differs from these defaults.
_REPEATED: dict[str, object] = {
    **dict.fromkeys(("encoder_only", "no_pairs", "trust_remote_code"), False),
    **dict.fromkeys(("engine", "revision", "max_tokens", "calibration", "evaluate", "column", "pair_column")),
    "graph": "auto",
    **_GATES,
}
_NEEDED = ("torch", "transformers", "onnx", "safetensors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="folder that transformers wrote, or Hub id")
    add("out", metavar="OUT", help="folder of the bundle; an older bundle there is replaced")
    add(
        "--precision",
        metavar="P",
        type=_precisions,
        help="one or more of fp32, int8 and fp16 (for GPUs), separated by commas; each must pass its gates (default: "
        "fp32, and int8 where it passes; fp32 alone where optimum writes the graphs)",
    )
    add(
        "--graph",
        metavar="{" + ",".join(_GRAPHS) + "}",
        type=_graph,
        default="auto",
        help="packed: Torchless's own graphs, the fastest; padded: graphs that other servers run too; optimum: graphs "
        "of optimum, for more architectures; auto: packed for the architectures of docs/architectures.md, optimum for "
        "all others (default: auto)",
    )
    add("--engine", choices=["auto", "lean", "optimum"], help=argparse.SUPPRESS)
    _add_model(parser)
    _add_texts(parser.add_argument_group("texts"))
    _add_gates(
        parser.add_argument_group(
            "gates",
            "If fp32 fails, or another precision that --precision names, so does the export, and OUT stays as it was. "
            "A share of texts fails if the sample shows, with 95% confidence, that the share of all texts is larger.",
        )
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--encoder-only", action="store_true", help="leave the classification head out, for embeddings alone")
    add("--no-pairs", action="store_true", help="let the bundle read single texts only, no pairs of texts")
    add(
        "--max-tokens",
        metavar="N",
        type=_whole,
        help="longest text in tokens, where the checkpoint names no limit or a longer one (default: the checkpoint's)",
    )
    add(
        "--trust-remote-code",
        action="store_true",
        help="run Python code that the checkpoint brings along (default: refuse it)",
    )
    add("--revision", metavar="REV", help="branch, tag or commit of a Hub id (default: main)")


def _add_texts(group: argparse._ArgumentGroup) -> None:
    add, kinds = group.add_argument, ".csv, .tsv, .jsonl or .json"
    add(
        "--calibration",
        metavar="FILE",
        help=f"text for the int8 scales, .txt, {kinds}, for a model that labels tokens also .conll (default: a "
        "built-in sample in the model's languages)",
    )
    add(
        "--evaluate",
        metavar="FILE",
        help=f"labelled text for accuracy, {kinds}; for a model that labels tokens CoNLL (a token and its tag per "
        "line), or .jsonl with spans or with tokens and tags (default: accuracy is not measured)",
    )
    add("--column", metavar="C", help="column or key that holds the text in those files (default: text or sentence)")
    add("--pair-column", metavar="C", help="column or key that holds the second text of each pair (default: no pairs)")


def _add_gates(group: argparse._ArgumentGroup) -> None:
    def add(flag: str, text: str, metavar: str = "SHARE", kind: Callable[[str], float] | None = None) -> None:
        default = _GATES[flag.strip("-").replace("-", "_")]
        text = f"{text} (default: {default:g})"
        group.add_argument(flag, metavar=metavar, type=kind or _share, default=default, help=text)

    add(
        "--max-difference",
        "largest allowed difference between fp32 and PyTorch, of any logit or hidden state",
        "X",
        _positive,
    )
    add(
        "--max-disagreement",
        "largest allowed share of texts whose labels differ between fp32 and int8 or fp16; of a model that labels "
        "tokens, share of tokens",
    )
    add(
        "--max-entity-disagreement",
        "of a model that labels tokens, largest allowed share of the entities found that only fp32, or only int8 "
        "or fp16, finds",
    )
    add(
        "--max-score-error",
        "largest allowed typical difference between the logits of fp32 and of int8 or fp16, as a share of their spread "
        "in fp32",
    )
    add(
        "--min-embedding-cosine",
        "smallest allowed cosine between an embedding in fp32 and in int8 or fp16, for 99%% of texts",
        "COSINE",
    )
    add(
        "--max-accuracy-drop",
        "largest allowed accuracy drop of int8 or fp16 below PyTorch, as a share; of a model that labels tokens, drop "
        "of entity F1; measured with --evaluate",
    )


def run(options: argparse.Namespace) -> int:
    """Export, say what is going on, and print what was found."""
    with needs_extra("torchless export", "export", *_NEEDED):
        from .exporting import export
        from .old_spellings import OldSpellingWarning, advice, ways
        from .reports import Gates
        from .samples import Columns
    if (options.column or options.pair_column) and not (options.calibration or options.evaluate):
        raise InputError("--column and --pair-column go with --calibration FILE or --evaluate FILE")
    ways(options.engine, options.graph)  # refuses what contradicts itself, before any advice
    if old := advice(options.engine, options.graph, dashes="--"):
        print(f"torchless: {old}", file=sys.stderr)
    gates = Gates(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Gates)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OldSpellingWarning)  # said above, in words of the command line
        with StatusLine(keep=True) as status:
            report = export(
                options.checkpoint,
                options.out,
                precisions=options.precision,
                graph=options.graph,
                engine=options.engine,
                encoder_only=options.encoder_only,
                pairs=not options.no_pairs,
                max_tokens=options.max_tokens,
                calibration=options.calibration,
                evaluate=options.evaluate,
                columns=Columns(options.column, options.pair_column),
                gates=gates,
                revision=options.revision,
                trust_remote_code=options.trust_remote_code,
                say=lambda line: status.show(f"{line} …"),
            )
    _tell(options, report, gates)
    return 0


def _tell(options: argparse.Namespace, report: ExportReport, gates: Gates) -> None:
    """Print what the bundle holds and what was measured; the last line is the command that mends what was left out."""
    from .remedy import remedy

    made = options.precision or ["fp32", *(name for name in report.quality if name not in report.left_out)]
    print(f"{options.out}: a bundle of {' and '.join(made)}")
    for line in _summary(report):
        print(f"  {line}")
    for precision in report.left_out:
        change = remedy(precision, report, gates)
        print(f"{change.why}: {_again(options, change.options)}")


def _again(options: argparse.Namespace, added: Sequence[str]) -> str:
    """The same command with some options added, ready to be pasted into a shell."""
    values = {name: getattr(options, name) for name in _REPEATED if f"--{name.replace('_', '-')}" not in added}
    words = ["torchless", "export", options.checkpoint, options.out]
    for name, value in values.items():
        if value != _REPEATED[name]:
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [f"{value}"])]
    return shlex.join([*words, *added])


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
        told = ", ".join(f"{name} {share:.2%}" for name, share in shares.items() if share is not None)
        lines.append(f"{accuracy.metric}: {told} ({accuracy.sample})")
    lines += [f"{precision} is left out: {'; '.join(findings)}" for precision, findings in report.left_out.items()]
    return lines


def _compared(precision: str, quality: QualityReport) -> list[str]:
    parts = [f"embeddings with a cosine of {quality.min_embedding_cosine:.4f} or more"]
    if quality.score_error is not None:
        parts.insert(0, f"scores differ by {quality.score_error:.2%} of their spread")
    if quality.changed is not None:
        parts.insert(0, quality.changed)
    lines = [f"{precision} against fp32: {', '.join(parts)} ({quality.texts} texts, {quality.compared_on})"]
    if quality.neighbour_max_score_difference is not None:
        labels = "" if quality.neighbours_changed is None else f", {quality.neighbours_changed}"
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


def _whole(value: str) -> int:
    if not value.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, got {value!r}")
    return int(value)


def _graph(value: str) -> str:
    if value not in (*_GRAPHS, "lean", "standard"):  # the last two are old spellings
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(_GRAPHS)}, got {value!r}")
    return value


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
