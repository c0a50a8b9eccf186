"""Files that appear whole or not at all, and what failed when one could not be written."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from .errors import OutputError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure of the system inside the block into an OutputError about `path`."""
    try:
        yield
    except OSError as error:
        raise OutputError(path, error) from error


class AtomicFile:
    """A file that is being written; as much of a file object as `zipfile`, `gzip` and pyarrow take.

    Attributes:
        closed: False: what opened the file closes it.

    Raises:
        OutputError: from `write`: the disk is full, or whatever else the system says.
    """

    closed = False

    def __init__(self, path: Path, file: FileIO) -> None:
        self._path = path
        self._file = file

    def write(self, data: bytes | memoryview) -> int:
        """Write all of these bytes, at once: nothing is left in a buffer that could fail later."""
        left = memoryview(data)
        with writing(self._path):
            while left:
                left = left[self._file.write(left) :]
        return len(data)

    def flush(self) -> None:
        """Do nothing: `write` leaves nothing to flush."""

    def close(self) -> None:
        """Do nothing: see `closed`."""

    def tell(self) -> int:
        """Where the next byte goes; an OSError where that means nothing (a pipe)."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to another place; an OSError where there is none (a pipe)."""
        return self._file.seek(offset, whence)


@contextmanager
def replacing(path: Path) -> Iterator[AtomicFile]:
    """A temporary file beside `path`, renamed over it when the block ends well and removed otherwise.

    A link is followed, and what is no regular file (a pipe, a device) is written straight through: replacing either
    would not be what was asked for. A file that is replaced hands on its permissions.

    Raises:
        OutputError: the folder cannot be written or is full; whatever stood at `path` is unchanged.
    """
    with writing(path):  # a relative path has no place where the working directory is gone
        target = Path(os.path.realpath(path))
        special = path.exists() and not path.is_file()  # /dev/stdout may lead to a pipe, which has no real path
    if special:
        with writing(path):
            file = FileIO(path, "w")
        with file:
            yield AtomicFile(path, file)
        return
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:  # the file is made inside, because a signal may end the process right after that
        with writing(path):
            opened = FileIO(temporary, "x")
        with opened as file:
            hand_on_permissions(target, temporary)
            yield AtomicFile(path, file)
        with writing(path):
            temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink()


def hand_on_permissions(before: Path, after: Path) -> None:
    """Give a file the permissions of the one that it will replace, if there is one."""
    with suppress(OSError):  # there is none, or the file system knows none
        after.chmod(stat.S_IMODE(before.stat().st_mode))


def umask() -> int:
    """The permission bits that new files must not have."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
