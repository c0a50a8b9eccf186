"""The parity table of docs/architectures.md: every architecture, exported and compared with PyTorch.

    python -m torchless_bench.architectures docs/architectures.md [--only "bert;electra"] [--speed]

Rows of the installed transformers are measured and put in their place; those of other versions stay as they are. An
architecture whose parity fails ends the run with an error, and the page is left alone.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from torchless import Bundle
from torchless.atomic_files import replacing
from torchless.running.threads import available_threads
from torchless_export.engines import optimum
from torchless_export.exporting import ExportReport, export
from torchless_export.quality import Gates
from torchless_export.samples import built_in

from .contenders.contender import Setup
from .contenders.tables import CLASSIFIERS
from .measuring.contest import Contest, Pace
from .random_checkpoints import FOREIGN, ROWS, Row, make
from .status_line import StatusLine
from .workloads import Workload

HEADER = (
    "| architecture | transformers | graph | hidden states | logits | int8: other labels | fp32, times faster "
    "| int8, times faster |"
)
_RULE = "|---|---|---|---|---|---|---|---|"
_ANY_LABEL = Gates(
    max_disagreement=1.0, min_embedding_cosine=0.0, max_accuracy_drop=1.0
)  # a random head's labels are a coin's
_WIDE = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 4, "num_attention_heads": 6}
_WIDE_DISTILBERT = {"dim": 384, "hidden_dim": 1536, "n_layers": 4, "n_heads": 6}
_NONE = "-"


def measure(row: Row, *, speed: bool) -> list[str]:
    """The cells of one row, from the transformers version on.

    Raises:
        ParityError: the graph is not the model.
    """
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        checkpoint, bundle = make(row, Path(folder) / "checkpoint"), Path(folder) / "bundle"
        report = export(checkpoint, bundle, gates=_ANY_LABEL)
        layout = Bundle.open(bundle).manifest.layout
    times = _times_faster(row) if speed and optimum.is_installed() else {}
    return [
        transformers.__version__,
        "lean" if layout == "packed" else "optimum",
        *_differences(report),
        times.get("torchless-fp32", _NONE),
        times.get("torchless-int8", _NONE),
    ]


def _differences(report: ExportReport) -> list[str]:
    quality = report.quality.get("int8")
    return [
        f"{report.parity.max_hidden_difference:.1e}",
        f"{report.parity.max_logit_difference:.1e}",
        _NONE if quality is None or quality.disagreement is None else f"{quality.disagreement:.1%}",
    ]


def _times_faster(row: Row) -> dict[str, str]:
    """By contender how many times faster than optimum's runtime it answers 8 mixed texts, on a wider model."""
    wide = _WIDE_DISTILBERT if row.model_type == "distilbert" else _WIDE
    wide = {name: size for name, size in wide.items() if name != "num_hidden_layers" or name not in row.settings}
    names = {"torch-eager", "torchless-fp32", "torchless-int8", "optimum"}
    texts = built_in()
    workload = Workload("8 mixed", "batch", [texts[start : start + 8] for start in range(0, 48, 8)])
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        checkpoint = make(replace(row, settings={**row.settings, **wide}), work / "checkpoint")
        export(checkpoint, work / "bundle", gates=_ANY_LABEL)
        setup = Setup(checkpoint, work / "bundle", work, available_threads())
        contenders = [contender for contender in CLASSIFIERS if contender.name in names]
        with Contest(contenders, setup, StatusLine()) as contest:
            contest.load()
            contest.time(workload, Pace(rounds=5, seconds=0.2))
    times = {entry.contender.name: entry.times.get(workload.name) for entry in contest.entries}
    yardstick = times.get("optimum")
    if not yardstick:
        return {}
    return {name: f"{median(yardstick) / median(found):.1f}" for name, found in times.items() if found}


def updated(page: str, measured: dict[str, list[str]]) -> str:
    """The page with these rows in its table, the others as they were; sorted by name and version."""
    lines = page.splitlines()
    start = lines.index(HEADER)
    end = next((i for i in range(start, len(lines)) if not lines[i].startswith("|")), len(lines))
    rows = {_key(line): line for line in lines[start + 2 : end]}
    for name, cells in measured.items():
        rows[name, cells[0]] = f"| {' | '.join([name, *cells])} |"
    table = [HEADER, _RULE, *(rows[key] for key in sorted(rows))]
    return "\n".join([*lines[:start], *table, *lines[end:]]) + "\n"


def _key(line: str) -> tuple[str, str]:
    name, version = (cell.strip() for cell in line.split("|")[1:3])
    return name, version


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and rewrite the page."""
    parser = argparse.ArgumentParser(prog="python -m torchless_bench.architectures", description=__doc__)
    parser.add_argument("page", metavar="PAGE", type=Path, help="docs/architectures.md")
    parser.add_argument("--only", metavar="A;B", help="some rows, by name, with semicolons between")
    parser.add_argument("--speed", action="store_true", help="time them beside optimum too: minutes")
    options = parser.parse_args(arguments)
    known = {**ROWS, **(FOREIGN if optimum.is_installed() else {})}
    unknown = set(options.only.split(";")) - set(known) if options.only else set()
    if unknown:
        parser.error(f"--only: expected some of {'; '.join(known)}, got {'; '.join(sorted(unknown))}")
    chosen: dict[str, Any] = {
        name: row for name, row in known.items() if not options.only or name in options.only.split(";")
    }
    measured = {name: measure(row, speed=options.speed) for name, row in chosen.items()}
    page = updated(options.page.read_text(encoding="utf-8"), measured)
    with replacing(options.page) as output:
        output.write(page.encode())


if __name__ == "__main__":
    main()
