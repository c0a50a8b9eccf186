"""A temporary folder for graphs on their way."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ScratchError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is gone after the block.

    Raises:
        ScratchError: there is no place for it, or its disk is full.
    """
    try:
        temporary = tempfile.TemporaryDirectory(prefix="torchless-")
    except OSError as error:
        raise _scratch_error(error) from error
    with temporary as folder:
        try:
            yield Path(folder)
        except OSError as error:
            if error.errno not in _FULL:  # of something else in the block
                raise
            raise _scratch_error(error) from error


def _scratch_error(error: OSError) -> ScratchError:
    return ScratchError(
        f"cannot write a temporary file ({error.strerror or error}). Let TMPDIR name a folder with space for a copy of "
        "the model in float32."
    )
