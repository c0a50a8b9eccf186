"""`torchless export`."""

from __future__ import annotations

import argparse
import sys

from torchless.errors import MissingExtraError

_NEEDED = ("torch", "transformers", "onnx", "safetensors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a folder that transformers wrote, or a Hub id")
    parser.add_argument("out", metavar="OUT", help="the bundle's folder; an older bundle there is replaced")
    parser.add_argument(
        "--precision",
        metavar="P",
        type=_precisions,
        default=["fp32", "int8"],
        help="fp32, int8, or fp32,int8 (default)",
    )
    parser.add_argument("--encoder-only", action="store_true", help="leave the classification head out")
    parser.add_argument("--calibration", metavar="FILE", help="text for the int8 scales; default: a built-in sample")
    parser.add_argument("--evaluate", metavar="FILE", help="labelled text (.csv, .tsv, .jsonl) to measure accuracy on")
    parser.add_argument(
        "--max-disagreement", metavar="SHARE", type=float, default=0.01, help="int8 labels unlike fp32's (default 0.01)"
    )
    parser.add_argument(
        "--max-accuracy-drop", metavar="SHARE", type=float, default=0.005, help="int8 under PyTorch (default 0.005)"
    )
    parser.add_argument("--revision", metavar="REV", help="branch, tag or commit of a Hub id")


def run(options: argparse.Namespace) -> int:
    """Export, say what is going on, and print what was found."""
    try:
        from .export import export
        from .quality import Gates
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        raise MissingExtraError("torchless export", error.name, "export") from error
    report = export(
        options.checkpoint,
        options.out,
        precisions=options.precision,
        encoder_only=options.encoder_only,
        calibration=options.calibration,
        evaluate=options.evaluate,
        gates=Gates(options.max_disagreement, options.max_accuracy_drop),
        revision=options.revision,
        say=lambda line: print(f"{line} …", file=sys.stderr, flush=True),
    )
    print(f"{options.out}: a bundle of {', '.join(options.precision)}")
    for name, figures in report.figures().items():
        print(
            f"  {name}: " + ", ".join(f"{key} {_short(value)}" for key, value in figures.items() if value is not None)
        )
    return 0


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) and not 0.99 < value < 1 else str(value)


def _precisions(value: str) -> list[str]:
    names = value.split(",")
    if not names or set(names) - {"fp32", "int8"}:
        raise argparse.ArgumentTypeError(f"expected fp32, int8 or fp32,int8, got {value!r}")
    return names
