"""The JSON files of a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torchless_export.errors import CheckpointError


def read_json(path: Path) -> dict[str, Any]:
    """The object that a file holds.

    Raises:
        CheckpointError: there is no such file, or it holds something else.
    """
    content = _read(path)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected an object, got {type(content).__name__}.")
    return content


def read_json_list(path: Path) -> list[dict[str, Any]]:
    """The objects of the list that a file holds.

    Raises:
        CheckpointError: there is no such file, or it holds something else.
    """
    content = _read(path)
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise CheckpointError(f"{path}: expected a list of objects, got {type(content).__name__}.")
    return content


def _read(path: Path) -> Any:
    try:
        content = json.loads(path.read_bytes())
        json.dumps(content, ensure_ascii=False).encode()  # JSON's escapes can write lone surrogates
    except FileNotFoundError:
        raise CheckpointError(f"no checkpoint at {path.parent}: the folder has no {path.name}.") from None
    except OSError as error:  # a folder of that name, or no permission
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not JSON ({error}).") from error
    return content
