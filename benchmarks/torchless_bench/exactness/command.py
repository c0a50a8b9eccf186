"""The command line of the tables: models that are trained, or found, and a table of each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from torchless.errors import TorchlessError
from torchless_bench.measuring.contender_process import ContenderError
from torchless_bench.status_line import StatusLine

from .models import TrainedModel, prepare


def run(prog: str, description: str, example: str, rows: Callable[[TrainedModel, StatusLine], str]) -> int:
    """Print a table, model by model; the exit code.

    Args:
        prog: what the command is called.
        description: what it does.
        example: a model that it takes.
        rows: the lines of one model.
    """
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("models", nargs="+", metavar="SET:ARCHITECTURE", help=f"models to compare: {example}")
    parser.add_argument(
        "--body", type=Path, required=True, help="folder of the BERT checkpoint that training begins with"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps models and converted graphs")
    options = parser.parse_args()
    status = StatusLine()
    try:
        for name in options.models:
            lines = rows(prepare(name, options.body, options.data, options.work, status.note), status)
            status.clear()
            sys.stdout.write(lines)
            sys.stdout.flush()
    except (TorchlessError, ContenderError) as error:
        status.clear()
        status.note(f"error: {error}")
        return 1
    return 0
