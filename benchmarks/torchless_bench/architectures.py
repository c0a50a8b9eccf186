"""The columns about speed in the parity table of docs/architectures.md; torchless_export/parity_table.py has the rest.

    python -m torchless_bench.architectures docs/architectures.md [--only "bert;electra"]

Each architecture is timed beside optimum's runtime, which has to be installed: some minutes in all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from torchless.running.threads import available_threads
from torchless_export.exporting import export
from torchless_export.page_table import NONE, Cells
from torchless_export.parity_table import ANY_LABEL, rewrite
from torchless_export.random_checkpoints import RandomCheckpoint, make
from torchless_export.samples import built_in

from .contenders.contender import Setup
from .contenders.tables import CLASSIFIERS
from .measuring.contest import Contest, Pace
from .status_line import StatusLine
from .workloads import Workload

_WIDE = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 4, "num_attention_heads": 6}
_WIDE_DISTILBERT = {"dim": 384, "hidden_dim": 1536, "n_layers": 4, "n_heads": 6}
_CONTENDERS = {"torch-eager", "torchless-fp32", "torchless-int8", "optimum"}


def measure(random: RandomCheckpoint) -> Cells:
    """How many times faster than optimum's runtime a wider model answers 8 mixed texts, in fp32 and int8."""
    wide = _WIDE_DISTILBERT if random.model_type == "distilbert" else _WIDE
    wide = {name: size for name, size in wide.items() if name != "num_hidden_layers" or name not in random.settings}
    texts = built_in()
    workload = Workload("8 mixed", "batch", [[*texts[start : start + 8]] for start in range(0, 48, 8)])
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        checkpoint = make(replace(random, settings={**random.settings, **wide}), work / "checkpoint")
        export(checkpoint, work / "bundle", gates=ANY_LABEL)
        setup = Setup(checkpoint, work / "bundle", work, available_threads())
        contenders = [contender for contender in CLASSIFIERS if contender.name in _CONTENDERS]
        with Contest(contenders, setup, StatusLine()) as contest:
            contest.load()
            contest.time(workload, Pace(rounds=5, seconds=0.2))
    times = {entry.contender.name: entry.times.get(workload.name) for entry in contest.entries}
    yardstick = times.get("optimum")

    def faster(name: str) -> str:
        found = times.get(name)
        return f"{median(yardstick) / median(found):.1f}" if yardstick and found else NONE

    return {"fp32, times faster": faster("torchless-fp32"), "int8, times faster": faster("torchless-int8")}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure speed, and rewrite the page."""
    rewrite(measure, "python -m torchless_bench.architectures", __doc__, arguments)


if __name__ == "__main__":
    main()
