"""`python -m torchless_bench.exactness`: trains small models, and compares every contender's int8 with PyTorch.

    python -m torchless_bench.exactness --body MINILM --data FOLDER --work FOLDER emotion:bert trec:roberta

A model is named by its set and its architecture. `--data` holds a folder of each set, as its authors publish it
(datasets.py says which files). Training takes minutes per model on two cores; what is in `--work` is not made again.
Of taggers (wnut17) Torchless's fp32 and int8 alone are compared, in a table of their own.
"""

from __future__ import annotations

import sys

from torchless_bench.status_line import StatusLine

from . import command, table, taggers
from .models import TrainedModel


def main() -> int:
    """Print the table; its header comes first, and again where taggers and others meet."""
    before: bool | None = None  # whether the model before this one is a tagger

    def rows(model: TrainedModel, status: StatusLine) -> str:
        nonlocal before
        header, before = before != model.is_tagger, model.is_tagger
        return (taggers.rows if model.is_tagger else table.rows)(model, status, header=header)

    return command.run("python -m torchless_bench.exactness", __doc__.splitlines()[0], "emotion:bert", rows)


if __name__ == "__main__":
    sys.exit(main())
