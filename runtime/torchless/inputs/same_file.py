"""Whether two names mean one file: links, other spellings and other mounts lead to the same one."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

from torchless.errors import InputError


def refuse_input(output: str | None, source: Path | IO[bytes], name: str) -> None:
    """Refuse to replace the file that is read.

    Args:
        output: what --output names; None is stdout.
        source: where the input lies, or the open file.
        name: what messages call it.

    Raises:
        InputError: they are one file.
    """
    if output is not None and is_same(Path(output), source):
        raise InputError(f"--output {output}: expected another file than the input {name}.")


def is_same(one: Path, other: Path | IO[bytes]) -> bool:
    """Whether both are there and are one file, or one folder; never a pipe or a device."""
    try:
        there, read = (os.stat(each if isinstance(each, Path) else each.fileno()) for each in (one, other))  # noqa: PTH116
    except (OSError, ValueError):  # there is no such file yet, or stdin is none of the system's
        return False
    return (stat.S_ISREG(there.st_mode) or stat.S_ISDIR(there.st_mode)) and os.path.samestat(there, read)
