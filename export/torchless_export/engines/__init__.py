"""Who writes the graphs: our own builder where the architecture has a family, else optimum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from torchless.errors import InputError, MissingExtraError
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import UnsupportedModelError
from torchless_export.families import FAMILIES

if TYPE_CHECKING:
    from .lean import Lean
    from .optimum import Optimum

EngineName = Literal["auto", "lean", "optimum"]
GraphName = Literal["lean", "standard"]


def choose(
    checkpoint: Checkpoint,
    engine: EngineName,
    graph: GraphName | None,
    precisions: Sequence[str] | None,
    *,
    head: bool,
) -> Lean | Optimum:
    """Read the checkpoint the way that its architecture allows.

    Raises:
        UnsupportedModelError: the engine does not know the architecture, or int8 or fp16 is asked of optimum.
        MissingExtraError: optimum is needed and not installed.
        InputError: the engine cannot write such a graph.
    """
    from . import lean, optimum

    architecture = checkpoint.config["model_type"]
    if engine == "lean" and architecture not in FAMILIES:
        raise UnsupportedModelError(
            f"{checkpoint.folder / 'config.json'}, model_type: expected one of {', '.join(FAMILIES)}, got "
            f"{architecture!r}. Use --engine optimum, or add a family: docs/adding-a-family.md."
        )
    if engine == "lean" or (engine == "auto" and architecture in FAMILIES):
        return lean.Lean(checkpoint, head=head, layout="padded" if graph == "standard" else "packed")
    if not optimum.is_installed():
        raise MissingExtraError(
            f"{architecture!r} is not one of Torchless's families ({', '.join(FAMILIES)}); exporting it"
            if engine == "auto"
            else "torchless export --engine optimum",
            "optimum-onnx",
            "optimum",
        )
    if graph == "lean":
        raise InputError("graph: optimum writes standard graphs only. Leave it out, or ask for standard.")
    if refused := [name for name in precisions or () if name != "fp32"]:
        raise UnsupportedModelError(
            f"precisions: {refused[0]} needs an architecture with a family, got {refused[0]} for optimum's graph."
        )
    return optimum.Optimum(checkpoint, head=head)
