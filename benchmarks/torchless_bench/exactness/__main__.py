"""`python -m torchless_bench.exactness`: trains small models, and compares every contender's int8 with PyTorch.

    python -m torchless_bench.exactness --body MINILM --data FOLDER --work FOLDER emotion:bert trec:roberta

A model is named by its set and its architecture. `--data` holds a folder of each set, as its authors publish it
(datasets.py says which files). Training takes minutes per model on two cores; what is in `--work` is not made again.
Of taggers (wnut17) Torchless's fp32 and int8 alone are compared, in a table of their own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from torchless.errors import TorchlessError
from torchless_bench.measuring.contender_process import ContenderError
from torchless_bench.status_line import StatusLine

from . import table, taggers
from .models import prepare


def main() -> int:
    """Print the table, model by model."""
    parser = argparse.ArgumentParser(prog="python -m torchless_bench.exactness", description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="SET:ARCHITECTURE", help="models to compare: emotion:bert")
    parser.add_argument(
        "--body", type=Path, required=True, help="folder of the BERT checkpoint that training begins with"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps models and converted graphs")
    options = parser.parse_args()
    status = StatusLine()
    try:
        before: bool | None = None  # whether the model before this one is a tagger
        for name in options.models:
            model = prepare(name, options.body, options.data, options.work, status.note)
            write = taggers.rows if model.is_tagger else table.rows
            lines = write(model, status, header=before != model.is_tagger)
            status.clear()
            sys.stdout.write(lines)
            sys.stdout.flush()
            before = model.is_tagger
    except (TorchlessError, ContenderError) as error:
        status.clear()
        status.note(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
