"""What writes the graphs: our own builder where the architecture has a family, else optimum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from torchless.bundle.manifest import GraphKind, Precision
from torchless.errors import InputError, MissingExtraError
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import GraphChoiceError, SettingError, UnsupportedModelError
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

    A model that runs code of its own may compute anything, so its architecture's family is taken only where optimum
    cannot be; parity judges it then.

    Raises:
        GraphChoiceError: none does.
        MissingExtraError: optimum is needed and not installed.
    """
    architecture = checkpoint.config["model_type"]
    known = ", ".join(FAMILIES)
    traced = checkpoint.runs_own_code and "optimum" in ways and optimum.is_installed()
    familiar = architecture in FAMILIES and not traced
    way = next((way for way in ways if way == "optimum" or familiar), None)
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
    checkpoint: Checkpoint,
    ways: Sequence[Way],
    kind: GraphKind,
    precisions: Sequence[Precision] | None,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Writer, list[Precision]]:
    """Read the model with the head of a kind, or without one.

    A model with a setting that its family does not implement goes to optimum, where `ways` leaves that open.

    Args:
        checkpoint: what is exported.
        ways: of writing graphs; the first that the model allows is taken.
        kind: the head, or "encoder" for none.
        precisions: those that were asked for, or None.
        say: told what the user should know of the model.

    Returns:
        The writer, and the precisions of the bundle as `resolve` has them.

    Raises:
        CheckpointError: the model is incomplete, or contradicts its config.
        UnsupportedModelError: it has a setting that no writer knows.
        GraphChoiceError, MissingExtraError: as in `choose`.
    """
    way = choose(checkpoint, ways)
    wanted = resolve(precisions, way)
    writer: Writer
    if way == "optimum":
        writer = optimum.OptimumWriter(checkpoint, kind)
    else:
        try:
            writer = PackedWriter(checkpoint, kind, layout=way)
        except SettingError as error:
            _require_optimum(error, ways, wanted if precisions else ())
            say(f"optimum writes the graphs, padded and in fp32 alone: {error}")
            writer, wanted = optimum.OptimumWriter(checkpoint, kind), resolve(precisions, "optimum")
    for note in writer.notes:
        say(note)
    return writer, wanted


def _require_optimum(error: SettingError, ways: Sequence[Way], named: Sequence[Precision]) -> None:
    """Raise a family's error again, with what would let optimum write the graphs, unless it can do so already.

    Args:
        error: of the family.
        ways: of writing graphs that were asked for.
        named: the precisions that were asked for by name.
    """
    if any(name not in _WRITABLE["optimum"] for name in named):
        raise SettingError(f"{error} With --precision fp32, optimum writes the graphs.") from error
    if "optimum" not in ways:
        raise SettingError(f"{error} Use --graph optimum.") from error
    if not optimum.is_installed():
        missing = MissingExtraError("Exporting it as it is", "optimum-onnx", "optimum")
        raise SettingError(f"{error} {missing}.") from error
