"""A folder that is opened once, and its files: each is opened once, hashed, and used from the same descriptor.

A name can come to mean something else between two calls (`ln -sfn` to a new bundle is how they are deployed), a
descriptor cannot: what was hashed is what is used, and after a load no name is needed any more.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import stat
import threading
import weakref
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from torchless.errors import BundleError, IntegrityError

_BY_DESCRIPTOR = os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd  # not on Windows
# O_NONBLOCK: a pipe that took a file's place after a look at it is opened without waiting for who writes into it.
_READ = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
_FOLDER = sum(getattr(os, name, 0) for name in ("O_PATH", "O_DIRECTORY", "O_CLOEXEC"))
_CHUNK_BYTES = 1 << 18
_KINDS = {
    stat.S_IFDIR: "Is a directory",
    stat.S_IFIFO: "it is a pipe, expected a file",
    stat.S_IFSOCK: "it is a socket, expected a file",
    stat.S_IFCHR: "it is a device, expected a file",
    stat.S_IFBLK: "it is a device, expected a file",
}


class Folder:
    """One folder, whatever its name comes to mean."""

    def __init__(self, path: Path) -> None:
        """Open it; links to it are followed now, and never again.

        Raises:
            OSError, ValueError: there is no such folder, or it cannot be one.
        """
        self.path = path
        self.resolved = Path(os.path.realpath(path))
        self._descriptor = _held(self, os.open(path, os.O_RDONLY | _FOLDER)) if _BY_DESCRIPTOR else None
        if self._descriptor is None and not self.resolved.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))

    def open(self, name: str) -> File:
        """Open a file in it or in a folder of it; links to files are followed, as the Hub's cache has them.

        Raises:
            BundleError: it is no regular file.
            IntegrityError: the folder that it is in is a link.
            OSError: there is no such file, or it cannot be read.
        """
        inner, _, last = name.rpartition("/")
        if self._descriptor is None:
            self._refuse_link(inner)
            return File(self.path / name, self.resolved / name)
        if not inner:
            return File(self.path / name, last, self._descriptor)
        self._refuse_link(inner)
        descriptor = os.open(inner, os.O_RDONLY | _FOLDER | os.O_NOFOLLOW, dir_fd=self._descriptor)
        try:
            return File(self.path / name, last, descriptor)
        finally:
            os.close(descriptor)

    def _refuse_link(self, inner: str) -> None:
        """Files in a linked folder are elsewhere, where others may write."""
        if self._descriptor is None:
            found = (self.resolved / inner).lstat()
        else:
            found = os.stat(inner or ".", dir_fd=self._descriptor, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            raise IntegrityError(self.path / inner, "a folder", "a link")


class File:
    """A regular file that is open for reading.

    Attributes:
        path: what messages call it.
        size_bytes: its size when it was opened.
    """

    def __init__(self, path: Path, name: str | Path, folder: int | None = None) -> None:
        """Open it.

        Args:
            path: what messages call it.
            name: where it is.
            folder: the descriptor of the folder that it is in; None for a path of its own.

        Raises:
            BundleError: it is a pipe, a device, a socket or a folder, which is not even opened.
            OSError: there is no such file, or it cannot be read.
        """
        self.path = path
        _refuse_others(path, os.stat(name, dir_fd=folder))
        self._descriptor = _held(self, os.open(name, _READ, dir_fd=folder))
        self._opened = os.fstat(self._descriptor)
        _refuse_others(path, self._opened)
        self.size_bytes = self._opened.st_size
        self._file = FileIO(self._descriptor, closefd=False)
        self._reading = threading.Lock()  # a descriptor has one place
        self._map: mmap.mmap | bytes | None = None

    def chunks(self) -> Iterator[memoryview]:
        """Its content, from the beginning; each chunk holds until the next is asked for."""
        buffer = memoryview(bytearray(min(_CHUNK_BYTES, self.size_bytes + 1)))
        with self._reading:
            self._file.seek(0)
            while length := self._file.readinto(buffer):
                yield buffer[:length]

    def read(self) -> bytes:
        """Its content."""
        with self._reading:
            self._file.seek(0)
            return self._file.readall()

    def sha256(self) -> str:
        """The digest of its content."""
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()

    def mapped(self) -> mmap.mmap | bytes:
        """Its content, mapped into memory once."""
        if self._map is None:  # an empty file cannot be mapped
            self._map = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ) if self.size_bytes else b""
        return self._map

    def refuse_change(self) -> None:
        """Compare its size and time with those of when it was opened.

        Raises:
            IntegrityError: it was written to.
        """
        now = os.fstat(self._descriptor)
        if (now.st_size, now.st_mtime_ns) != (self.size_bytes, self._opened.st_mtime_ns):
            expected = "a file that nothing writes to while it is loaded"
            raise IntegrityError(self.path, expected, "one that changed", "Load it again.")


def _refuse_others(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "it is no regular file")
        raise BundleError(f"{path} cannot be read: {kind}.")


def _held(owner: object, descriptor: int) -> int:
    """The descriptor, which is closed when its owner is gone."""
    weakref.finalize(owner, os.close, descriptor)
    return descriptor
