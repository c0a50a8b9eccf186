"""The parity table of docs/architectures.md: every architecture, exported and compared with PyTorch.

    python -m torchless_export.parity_table docs/architectures.md [--only "bert;electra"]

Rows of the installed transformers are measured and put in their place; those of other versions stay as they are, and so
do the columns about speed (`python -m torchless_bench.architectures`). An architecture whose parity fails ends the run
with an error, and the page is left alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from torchless import Bundle

from .exporting import export
from .page_table import NONE, Cells, Key, PageTable
from .random_checkpoints import FOREIGN, RANDOM_CHECKPOINTS, RandomCheckpoint, make
from .reports import ExportReport, Gates
from .writers import optimum

COLUMNS = (
    "architecture",
    "transformers",
    "graph",
    "hidden states",
    "logits",
    "int8: other labels",
    "logits of tokens",
    "int8: other tags",
    "fp32, times faster",
    "int8, times faster",
)
TABLE = PageTable(COLUMNS, keys=2)  # a row is of an architecture and a version of transformers
# The labels of a random head are as good as a coin's, so int8 may change any of them.
ANY_LABEL = Gates(
    max_disagreement=1.0,
    max_score_error=1.0,
    min_embedding_cosine=0.0,
    max_accuracy_drop=1.0,
    max_entity_disagreement=1.0,
)


def measure(random: RandomCheckpoint) -> Cells:
    """The cells of one row that are about parity.

    Raises:
        ParityError: the graph does not answer as PyTorch does.
    """
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, bundle = make(random, Path(folder) / "checkpoint"), Path(folder) / "bundle"
        report = export(checkpoint, bundle, gates=ANY_LABEL)
        layout = Bundle.open(bundle).manifest.layout
    return {
        "graph": "packed" if layout == "packed" else "optimum",
        "hidden states": f"{report.parity.max_hidden_difference:.1e}",
        **_differences(report, "logits", "int8: other labels"),
        **measure_tagger(random),
    }


def measure_tagger(random: RandomCheckpoint) -> Cells:
    """The same of the architecture with a head for tokens; no cells where transformers has none."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES as KNOWN

    if random.model_type not in KNOWN:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = make(random, Path(folder) / "checkpoint", tagger=True)
        report = export(checkpoint, Path(folder) / "bundle", gates=ANY_LABEL)
    return _differences(report, "logits of tokens", "int8: other tags")


def _differences(report: ExportReport, logits: str, labels: str) -> Cells:
    """The cells of two columns, by their names."""
    quality = report.quality.get("int8")
    changed = None if quality is None else quality.disagreement
    return {
        logits: f"{report.parity.max_logit_difference:.1e}",
        labels: NONE if changed is None else f"{changed:.1%}",
    }


def rewrite(
    measure: Callable[[RandomCheckpoint], Cells], program: str, description: str | None, arguments: Sequence[str] | None
) -> None:
    """A command line that measures cells of the page's rows and puts them in their place.

    Args:
        measure: the cells of one architecture's row, with the installed transformers.
        program: the command's name.
        description: for --help.
        arguments: the command line; None takes sys.argv.
    """
    known = {**RANDOM_CHECKPOINTS, **(FOREIGN if optimum.is_installed() else {})}

    def row(name: str) -> tuple[Key, Cells]:
        import transformers  # here, because --help needs none of its seconds

        return (name, transformers.__version__), measure(known[name])

    TABLE.rewrite(lambda: known, row, program, description, arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure parity, and rewrite the page."""
    rewrite(measure, "python -m torchless_export.parity_table", __doc__, arguments)


if __name__ == "__main__":
    main()
