"""Trained taggers: entity F1 of PyTorch, fp32 and int8, and what int8 changes of tokens and entities."""

from __future__ import annotations

from torchless_bench.status_line import StatusLine
from torchless_export import ExportReport, export
from torchless_export.parity_table import ANY_LABEL
from torchless_export.tagging.reports import TagAccuracy, TagQualityReport

from .models import TrainedModel

_HEADER = (
    "| model | texts | entities | F1 PyTorch | F1 fp32 | F1 int8 | logits fp32 | tokens changed | entities changed "
    "| error / spread |\n|---|---|---|---|---|---|---|---|---|---|\n"
)


def measure(model: TrainedModel) -> ExportReport:
    """Export a trained tagger, calibrated on training texts, and compare it on the set's test file.

    Raises:
        ExportError: the checkpoint cannot be exported.
        InputError: the test file cannot be read.
    """
    return export(
        model.checkpoint,
        model.bundle,
        precisions=["fp32", "int8"],
        calibration=model.calibration,
        evaluate=model.dataset.test_file,
        gates=ANY_LABEL,  # the table shows what int8 loses
    )


def rows(model: TrainedModel, status: StatusLine, *, header: bool) -> str:
    """The row of one model, measured."""
    status.note(f"{model.name}: comparing")
    return markdown(model, measure(model), header=header)


def markdown(model: TrainedModel, report: ExportReport, *, header: bool) -> str:
    """The row of one model."""
    quality, accuracy = report.quality["int8"], report.accuracy
    assert isinstance(quality, TagQualityReport)
    assert isinstance(accuracy, TagAccuracy)
    scores = " | ".join(f"{score:.4f}" for score in (accuracy.torch, accuracy.fp32, accuracy.int8 or 0))
    return (
        f"{_HEADER if header else ''}| {model.name} | {accuracy.texts} | {accuracy.entities} | {scores} | "
        f"{report.parity.max_logit_difference:.1e} | {quality.disagreement:.2%} of {quality.tokens} | "
        f"{quality.entity_disagreement:.2%} of {quality.entities} | {quality.score_error:.2%} |\n"
    )
