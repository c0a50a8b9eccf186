"""What every writer of graphs answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import onnx

from torchless.bundle.manifest import GraphKind, Layout, Precision
from torchless.inputs.tokens import Batch
from torchless_export.weights import WeightsFile

# Without a head, with the one of texts or of tokens, and the same three for one text alone.
Kind = Literal["encoder", "classifier", "token_classifier", "lone_encoder", "lone_classifier", "lone_token_classifier"]
LONE: Mapping[GraphKind, Kind] = {
    "encoder": "lone_encoder",
    "classifier": "lone_classifier",
    "token_classifier": "lone_token_classifier",
}


class Writer(Protocol):
    """Writes the graphs of one checkpoint.

    Attributes:
        layout: how the graphs take tokens.
        hidden_size: numbers in a hidden state.
        outputs: numbers that the head answers per text or token; None without a head.
        max_positions: largest number of tokens in a text; None where nothing bounds it.
        unread: tensors of the body that the graphs leave out; transformers has to leave them out too.
        notes: what the user should know of the checkpoint, one sentence each.
    """

    layout: Layout
    hidden_size: int
    outputs: int | None
    max_positions: int | None
    unread: tuple[str, ...]
    notes: tuple[str, ...]

    def graphs(
        self, precision: Precision, weights: WeightsFile, calibration: Batch | None
    ) -> Mapping[Kind, onnx.ModelProto]:
        """The graphs of one variant.

        Args:
            precision: one that `writers.resolve` allows for this writer.
            weights: takes the tensors that the graphs share.
            calibration: tokenised texts that int8's scales come from; the other precisions read none.
        """


def leftovers(names: Sequence[str], of: str = " of another head") -> tuple[str, ...]:
    """A note about tensors that transformers ignores, and the graphs too; empty where there are none."""
    if not names:
        return ()
    listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return (f"leaving out {len(names)} tensors{of}, as transformers does: {listed}",)
