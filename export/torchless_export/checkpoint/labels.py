"""The names of labels, as config.json has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torchless.errors import shown
from torchless_export.errors import CheckpointError

_MOST_CHARACTERS = 1000


def labels_of(path: Path, named: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels of id2label by index; a number or a truth value, which pandas leaves there, is written as Python does.

    Args:
        path: of config.json, for messages.
        named: id2label.

    Raises:
        CheckpointError: an index has no label, or one that is no name.
    """
    indices = {str(index): None for index in range(len(named))}
    if missing := next((index for index in indices if index not in named), None):
        other = next(key for key in named if key not in indices)
        raise CheckpointError(
            f"{path}, id2label: expected names for 0 to {len(named) - 1}, got none for {missing}, and one for "
            f"{shown(other)}."
        )
    return tuple(_name(path, index, named[index]) for index in indices)


def _name(path: Path, index: str, label: Any) -> str:
    if not isinstance(label, (str, int, float)):
        raise CheckpointError(f"{path}, id2label.{index}: expected a name, got {shown(label)}.")
    if isinstance(label, str) and len(label) > _MOST_CHARACTERS:
        raise CheckpointError(
            f"{path}, id2label.{index}: expected a name of at most {_MOST_CHARACTERS:,} characters, got {len(label):,}."
        )
    return str(label)
