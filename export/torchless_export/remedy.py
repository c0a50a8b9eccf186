"""What would mend a variant that failed its gates: advice that is true, and never what was done already."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchless.bundle.manifest import Precision

    from .reports import ExportReport, Gates, QualityReport

BUILT_IN = "the built-in sample"  # what reports call it; here, because the samples know errors, and errors this
# Gates are advised in these steps, on the lenient side of what was measured.
_STEPS_PER_UNIT = 1000


@dataclass(frozen=True)
class Remedy:
    """One change to the command of an export.

    Attributes:
        why: what the change does, to stand before the command.
        options: what is added to the command line.
    """

    why: str
    options: tuple[str, ...]


def text_is_missing(precision: Precision, report: QualityReport | None) -> Remedy | None:
    """The file of the model's own text that a variant was made or compared without; None where it had both."""
    if precision != "int8" or report is None:
        return None
    if (report.calibration or "").startswith(BUILT_IN):
        return Remedy("Calibrate int8 on text like the model's own (FILE)", ("--calibration", "FILE"))
    if report.compared_on.startswith(BUILT_IN) and report.disagreement is not None:
        return Remedy("Compare int8 on labelled text like the model's own (FILE)", ("--evaluate", "FILE"))
    return None


def remedy(precision: Precision, report: ExportReport, gates: Gates) -> Remedy:
    """What to change for a variant that was left out."""
    found = report.quality.get(precision)
    if missing := text_is_missing(precision, found):
        return missing
    lenient = _lenient(found.needed(precision, gates, report.accuracy)) if found else None
    if not lenient:
        return Remedy(f"Write the same bundle without trying {precision}", ("--precision", "fp32"))
    flags = [(f"--{gate.replace('_', '-')}", f"{value:g}") for gate, value in lenient.items()]
    options = tuple(word for flag in flags for word in flag)
    return Remedy(f"Ship this {precision} all the same, by moving its gates", options)


def _lenient(needed: Mapping[str, float]) -> dict[str, float] | None:
    """Round each gate to its lenient side; None where no value from 0 to 1 lets the variant pass."""
    gates = {}
    for gate, value in needed.items():
        if not 0 <= value <= 1:  # so NaN too
            return None
        round_off = math.floor if gate == "min_embedding_cosine" else math.ceil
        gates[gate] = round_off(value * _STEPS_PER_UNIT) / _STEPS_PER_UNIT
    return gates
