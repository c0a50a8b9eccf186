"""One small file per architecture: which weight is which, and a random checkpoint to prove it on.

A module of this package takes part with two tables:

    FAMILIES            config.json's model_type -> (config, tensors, which graph it is for) -> EncoderSpec
    RANDOM_CHECKPOINTS  name in the parity table -> RandomCheckpoint

Parity is the judge of each. docs/adding-a-family.md goes through an example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from torchless.bundle.manifest import GraphKind
from torchless_export.spec import EncoderSpec
from torchless_export.tensors import Tensors

from .random_checkpoint import RandomCheckpoint

__all__ = ["FAMILIES", "RANDOM_CHECKPOINTS", "Family", "RandomCheckpoint"]

Family = Callable[[Mapping[str, Any], Tensors, GraphKind], EncoderSpec]


def _collected(table: str) -> dict[str, Any]:
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    entries = {name: entry for module in modules for name, entry in getattr(module, table, {}).items()}
    return dict(sorted(entries.items()))


FAMILIES: dict[str, Family] = _collected("FAMILIES")
RANDOM_CHECKPOINTS: dict[str, RandomCheckpoint] = _collected("RANDOM_CHECKPOINTS")
