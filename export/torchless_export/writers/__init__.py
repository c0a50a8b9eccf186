"""What writes the graphs: our own builder where the architecture has a family, else optimum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from torchless.bundle.manifest import GraphKind, Precision
from torchless.errors import InputError, MissingExtraError
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import GraphChoiceError, UnsupportedModelError
from torchless_export.families import FAMILIES

from . import optimum
from .packed import PackedWriter
from .writer import Writer

__all__ = ["CHOICES", "GraphName", "Way", "Writer", "choose", "open_writer", "refuse_unknown", "resolve"]

GraphName = Literal["auto", "packed", "padded", "optimum"]
Way = Literal["packed", "padded", "optimum"]

# Each choice of `--graph`, as ways to write graphs: the first that the architecture allows is taken.
CHOICES: Mapping[GraphName, tuple[Way, ...]] = {
    "auto": ("packed", "optimum"),
    "packed": ("packed",),
    "padded": ("padded", "optimum"),
    "optimum": ("optimum",),
}
_WRITABLE: Mapping[Way, tuple[Precision, ...]] = {
    "packed": ("fp32", "fp16", "int8"),
    "padded": ("fp32", "fp16", "int8"),
    "optimum": ("fp32",),
}
_DEFAULT: tuple[Precision, ...] = ("fp32", "int8")


def choose(checkpoint: Checkpoint, ways: Sequence[Way]) -> Way:
    """The first way that the architecture allows; only optimum's is open to every architecture.

    Raises:
        GraphChoiceError: none does.
        MissingExtraError: optimum is needed and not installed.
    """
    architecture = checkpoint.config["model_type"]
    known = ", ".join(FAMILIES)
    way = next((way for way in ways if way == "optimum" or architecture in FAMILIES), None)
    if way is None:
        raise GraphChoiceError(
            f"{checkpoint.folder / 'config.json'}, model_type: expected one of {known}, got {architecture!r}. "
            "Use --graph optimum, or add a family: docs/adding-a-family.md."
        )
    if way == "optimum" and not optimum.is_installed():
        caller = "torchless export --graph optimum"
        if len(ways) > 1:
            caller = f"{architecture!r} is not one of Torchless's families ({known}); exporting it"
        raise MissingExtraError(caller, "optimum-onnx", "optimum")
    return way


def refuse_unknown(precisions: Sequence[str] | None) -> None:
    """Refuse precisions that are none, before anything is read.

    Raises:
        InputError: the sequence is empty, a string, or holds an unknown name.
    """
    known = get_args(Precision)
    if precisions is not None and (not precisions or isinstance(precisions, str) or set(precisions) - set(known)):
        raise InputError(f"precisions: expected some of {', '.join(known)}, got {precisions!r}.")


def resolve(precisions: Sequence[Precision] | None, way: Way) -> list[Precision]:
    """The precisions of the bundle, in the order they are written in.

    Args:
        precisions: those that were asked for; None takes fp32 and int8 where the way can write both, else fp32.
        way: of writing graphs.

    Raises:
        UnsupportedModelError: optimum's graphs are fp32 alone.
    """
    writable = _WRITABLE[way]
    if refused := [name for name in precisions or () if name not in writable]:
        raise UnsupportedModelError(
            f"precisions: {refused[0]} needs an architecture with a family, got {refused[0]} for optimum's graph."
        )
    return [name for name in writable if name in (precisions or _DEFAULT)]


def open_writer(
    way: Way, checkpoint: Checkpoint, kind: GraphKind, *, say: Callable[[str], None] = lambda _: None
) -> Writer:
    """Read the model with the head of a kind, or without one; `say` is told what the user should know of it.

    Raises:
        CheckpointError: the model is incomplete, or contradicts its config.
        UnsupportedModelError: it has a setting that the writer does not know.
    """
    writer: Writer = (
        optimum.OptimumWriter(checkpoint, kind) if way == "optimum" else PackedWriter(checkpoint, kind, layout=way)
    )
    for note in writer.notes:
        say(note)
    return writer
