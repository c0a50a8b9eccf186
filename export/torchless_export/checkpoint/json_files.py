"""The JSON files of a checkpoint."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from torchless.inputs.json_depth import is_deeper
from torchless_export.errors import CheckpointError

from .files import MOST_BYTES_OF_SETTINGS, content_of

_MOST_LEVELS = 32  # as in a bundle's files; transformers copies and prints what it reads, level by level
_MARKS = {codecs.BOM_UTF8: "a byte order mark", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


def read_json(path: Path) -> dict[str, Any]:
    """The object that a file holds.

    Raises:
        CheckpointError: there is no such file, it is too large, or it holds something else.
    """
    content = _read(path)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected an object, got {type(content).__name__}.")
    return content


def read_json_list(path: Path) -> list[dict[str, Any]]:
    """The objects of the list that a file holds.

    Raises:
        CheckpointError: there is no such file, it is too large, or it holds something else.
    """
    content = _read(path)
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise CheckpointError(f"{path}: expected a list of objects, got {type(content).__name__}.")
    return content


def _read(path: Path) -> Any:
    try:
        data = content_of(path, MOST_BYTES_OF_SETTINGS)
    except FileNotFoundError:
        raise CheckpointError(f"no checkpoint at {path.parent}: the folder has no {path.name}.") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from error
    for mark, what in _MARKS.items():  # Python's json would read them, and transformers not
        if data.startswith(mark):
            raise CheckpointError(f"{path}: expected UTF-8 without a byte order mark, got {what}. Save it as UTF-8.")
    try:
        content = json.loads(data.decode())
        if is_deeper(content, _MOST_LEVELS):
            raise ValueError(f"more than {_MOST_LEVELS} objects and arrays inside one another")
        json.dumps(content, ensure_ascii=False).encode()  # JSON's escapes can write lone surrogates
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not JSON ({error}).") from error
    return content
