"""The trained models of the table: made once, and kept in a folder with their bundles."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torchless.errors import InputError
from torchless.inputs.arguments import Text, TextPair
from torchless_export import export
from torchless_export.parity_table import ANY_LABEL
from torchless_export.samples import Columns

from . import datasets, training
from .bodies import ARCHITECTURES

_WIDE = ":wide"
CALIBRATION_TEXTS = 300  # what NNCF's documentation takes, for all contenders alike


@dataclass(frozen=True)
class TrainedModel:
    """A checkpoint, its bundle, and the texts that calibrate it.

    Attributes:
        name: its set and its architecture, "emotion:bert".
        folder: where everything of it lies.
        dataset: what it learned, and is tested on.
    """

    name: str
    folder: Path
    dataset: datasets.Dataset

    @property
    def is_tagger(self) -> bool:
        """Whether it classifies tokens."""
        return self.dataset.problem == "token_classification"

    @property
    def checkpoint(self) -> Path:
        """What transformers wrote."""
        return self.folder / "checkpoint"

    @property
    def bundle(self) -> Path:
        """What Torchless exported, fp32 and int8."""
        return self.folder / "bundle"

    @property
    def calibration(self) -> Path:
        """Training texts, one JSON object with a `text` per line."""
        return self.folder / "calibration.jsonl"


def prepare(name: str, body: Path, data: Path, work: Path, say: Callable[[str], None]) -> TrainedModel:
    """Train a model, and export it unless it is a tagger, or find what an earlier run left.

    Args:
        name: "SET:ARCHITECTURE", or "SET:ARCHITECTURE:wide" for a body twice as wide as `body`.
        body: the BERT checkpoint that training begins with.
        data: the folder of the sets.
        work: where models are kept.
        say: called with a line as each step begins.

    Raises:
        InputError: there is no such set or architecture, or a file cannot be read.
        ExportError: the checkpoint cannot be exported.
    """
    of, _, architecture = name.partition(":")
    wide = architecture.endswith(_WIDE)
    architecture = architecture.removesuffix(_WIDE)
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise InputError(
            f"models: expected SET:ARCHITECTURE or SET:ARCHITECTURE{_WIDE} with one of {known}, got {name!r}."
        )
    if not (body / "config.json").is_file():
        raise InputError(f"--body {body}: expected the folder of a BERT checkpoint, got none.")
    model = TrainedModel(name, work / name.replace(":", "-"), datasets.read(of, data))
    model.folder.mkdir(parents=True, exist_ok=True)
    if not model.checkpoint.exists():
        training.train(
            body, architecture, model.dataset, model.checkpoint, wide=wide, say=lambda line: say(f"{name}: {line}")
        )
    texts = model.dataset.train.texts
    chosen = texts[:: max(1, len(texts) // CALIBRATION_TEXTS)][:CALIBRATION_TEXTS]
    model.calibration.write_text("".join(json.dumps(_row(text)) + "\n" for text in chosen), encoding="utf-8")
    if model.is_tagger:  # `taggers.measure` exports it with its test file
        return model
    say(f"{name}: exporting")
    columns = Columns("text", "pair" if isinstance(chosen[0], TextPair) else None)
    export(
        model.checkpoint,
        model.bundle,
        precisions=["fp32", "int8"],
        calibration=model.calibration,
        columns=columns,
        gates=ANY_LABEL,  # the table shows what int8 loses
    )
    return model


def _row(text: Text) -> dict[str, str]:
    return {"text": text} if isinstance(text, str) else {"text": text.first, "pair": text.second}
