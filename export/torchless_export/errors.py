"""What an export raises on purpose.

    ExportError (a TorchlessError)
    ├── CheckpointError        (also ValueError)
    ├── UnsupportedModelError  (also ValueError)
    │   ├── GraphChoiceError   (also InputError)
    │   └── SettingError
    ├── ScratchError           (also OSError)
    └── GateError
        ├── ParityError        carries the ParityReport
        └── QualityError       carries the QualityReport

Every one of them leaves an existing bundle unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torchless.errors import InputError, TorchlessError, shortened

from .remedy import text_is_missing

if TYPE_CHECKING:
    from torchless.bundle.manifest import Precision

    from .reports import ParityReport, QualityReport

_MOST_CHARACTERS = 4000  # of a message


def one_line(error: BaseException) -> str:
    """What another library's error says: on one line, cut, and without characters that move a terminal."""
    text = shortened(" ".join(str(error)[:_MOST_CHARACTERS].split()), 500)
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


class ExportError(TorchlessError):
    """A checkpoint did not become a bundle."""

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message, _MOST_CHARACTERS))  # names and values of a checkpoint can be of any length


class CheckpointError(ExportError, ValueError):
    """The checkpoint is incomplete, damaged or contradicts itself."""


class UnsupportedModelError(ExportError, ValueError):
    """The checkpoint is sound, but Torchless does not know this architecture or setting."""


class GraphChoiceError(UnsupportedModelError, InputError):
    """The graph that was asked for cannot be written for this architecture; another one can."""


class SettingError(UnsupportedModelError):
    """The architecture has a family, which does not implement what a field of config.json says."""


class ScratchError(ExportError, OSError):
    """The folder for temporary files cannot be written to."""


class GateError(ExportError):
    """The graph was built, but it does not answer well enough to be shipped."""


class ParityError(GateError):
    """The fp32 graph answers differently from PyTorch."""

    def __init__(self, report: ParityReport, findings: Sequence[str]) -> None:
        self.report = report
        super().__init__("the fp32 graph does not answer as PyTorch does: " + "; ".join(findings))


class QualityError(GateError):
    """The fp16 or int8 graph is further from fp32 than its gates allow."""

    def __init__(self, precision: Precision, report: QualityReport, findings: Sequence[str]) -> None:
        self.precision = precision
        self.report = report
        missing = text_is_missing(precision, report)
        text = f"{missing.why} with {' '.join(missing.options)}, s" if missing else "S"
        super().__init__(
            f"the {precision} graph failed its gate: {'; '.join(findings)}. {text}hip --precision fp32, or move the "
            "gate (torchless export --help names them)."
        )
