"""Spellings of earlier versions, which work for one release more: `--engine`, `--graph lean`, `--graph standard`."""

from __future__ import annotations

import warnings

from torchless.errors import InputError

from .writers import CHOICES, GraphName, Way

_GRAPHS: dict[str, GraphName] = {"lean": "packed", "standard": "padded"}
_ENGINES = ("auto", "lean", "optimum")


class OldSpellingWarning(FutureWarning):
    """A spelling that the next release will not know."""


def advice(engine: str | None, graph: str | None, dashes: str = "") -> str | None:
    """What to write instead; None where nothing is old. On the command line, `dashes` stand before the names."""
    if engine is None and graph not in _GRAPHS:
        return None
    new = "optimum" if engine == "optimum" else _GRAPHS.get(str(graph), graph or "auto")
    if engine == "lean" and new == "auto":
        new = "packed"
    old = [f"{dashes}engine {engine}" if engine else "", f"{dashes}graph {graph}" if graph in _GRAPHS else ""]
    return (
        f"{' and '.join(filter(None, old))}: this spelling works for one release more. Use {dashes}graph {new} instead."
    )


def ways(engine: str | None, graph: str | None) -> tuple[Way, ...]:
    """The ways to write graphs that a choice allows, in old or new spelling.

    Raises:
        InputError: a name is unknown, or the two contradict each other.
    """
    new = _GRAPHS.get(str(graph), graph or "auto")
    if new not in CHOICES:
        raise InputError(f"graph: expected one of {', '.join(CHOICES)}, got {graph!r}.")
    if engine not in (None, *_ENGINES):
        raise InputError(f"engine: expected one of {', '.join(_ENGINES)}, got {engine!r}.")
    allowed = CHOICES[new]  # type: ignore[index]  # checked above
    if engine == "optimum":
        if new == "packed":
            raise InputError("graph: optimum writes padded graphs only. Leave engine out, or ask for graph optimum.")
        return ("optimum",)
    if engine == "lean":
        allowed = tuple(way for way in allowed if way != "optimum")
        if not allowed:
            raise InputError("engine: lean does not write optimum's graphs. Leave engine out.")
    return allowed


def warn(engine: str | None, graph: str | None) -> None:
    """Warn the caller of `export` where a spelling is old."""
    if text := advice(engine, graph):
        warnings.warn(text, OldSpellingWarning, stacklevel=3)
