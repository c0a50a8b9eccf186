"""A temporary folder for graphs on their way."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ScratchError


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is gone after the block.

    Raises:
        ScratchError: there is no place for it, or the disk is full.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="torchless-") as folder:
            yield Path(folder)
    except OSError as error:  # a write to a full disk names no file
        raise ScratchError(
            f"cannot write a temporary file ({error.strerror or error}). Let TMPDIR name a folder with space for a "
            "copy of the model in float32."
        ) from error
