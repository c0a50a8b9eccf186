"""Compressed files, read and written as a stream."""

from __future__ import annotations

import gzip
import io
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from torchless.errors import InputError, MissingExtraError

from .arrow import pyarrow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchless.atomic_files import AtomicFile

_LEVEL = 6  # of gzip: its own default; 9 takes twice as long for a hundredth


@contextmanager
def reading(file: IO[bytes], compression: str | None, name: str) -> Iterator[IO[bytes]]:
    """A file, decompressed. What is damaged or ends early is an InputError about `name`, raised inside the block.

    Raises:
        MissingExtraError: .zst, and neither Python nor pyarrow can read it.
    """
    try:
        if compression is None:
            yield file
        elif compression == "gzip":
            with gzip.open(file, "rb") as plain:
                yield cast("IO[bytes]", plain)
        else:
            with _zstd_reader(file) as plain:
                yield plain
    except (EOFError, OSError, ValueError) as error:
        if isinstance(error, (InputError, MissingExtraError)) or type(error).__module__.startswith("torchless"):
            raise
        what = f"cannot be read ({compression})" if compression else "cannot be read"
        raise InputError(f"{name}: {what}: {str(getattr(error, 'strerror', None) or error).rstrip('.')}.") from error
    except Exception as error:
        if type(error).__module__ in ("zlib", "compression.zstd", "_zstd"):  # zlib.error is no OSError
            raise InputError(f"{name}: cannot be read ({compression}): {error}.") from error
        raise


def _zstd() -> Any:
    """Python's own module, which 3.14 is the first to have; None before."""
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    return zstd


def _zstd_reader(file: IO[bytes]) -> Any:
    """Python's own, else pyarrow's."""
    zstd = _zstd()
    return zstd.open(file, "rb") if zstd else io.BufferedReader(_Unpacked(file), 1 << 17)


class _Unpacked(io.RawIOBase):
    """What pyarrow unpacks, as a file that can be read again from an earlier place."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._arrow = pyarrow("reading .zst files")
        self._file = file
        self._begin()

    def _begin(self) -> None:
        self._file.seek(0)
        self._stream = self._arrow.CompressedInputStream(self._arrow.PythonFile(_Lent(self._file), "r"), "zstd")
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)

    def tell(self) -> int:
        return self._place

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("what is unpacked has no end that is known")
        if place < self._place:
            self._begin()
        while self._place < place and self.read(min(1 << 20, place - self._place)):
            pass
        return self._place


class _Lent:
    """A file that pyarrow reads and does not close: it closes what it has read when it forgets it."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self.read = file.read

    def close(self) -> None:
        pass


@contextmanager
def writing(file: AtomicFile, compression: str | None) -> Iterator[Any]:
    """What writes to a file, compressed as one stream: some readers stop after the first of several.

    Raises:
        MissingExtraError: .zst, and neither Python nor pyarrow can write it.
        OutputError: as `AtomicFile.write`.
    """
    if compression is None:
        yield file
    elif compression == "gzip":
        # Without the name and the time of the file: the same rows make the same bytes.
        with gzip.GzipFile("", "wb", _LEVEL, cast("IO[bytes]", file), mtime=0) as packed:
            yield packed
    else:
        with _zstd_writer(file) as packed:
            yield packed


def _zstd_writer(file: AtomicFile) -> Any:
    if zstd := _zstd():
        return zstd.open(file, "wb")
    arrow = pyarrow("writing .zst files")
    return arrow.CompressedOutputStream(arrow.PythonFile(file, "w"), "zstd")


def check_writable(compression: str | None) -> None:
    """Find out before any work.

    Raises:
        MissingExtraError: as `writing`.
    """
    if compression == "zstd" and not _zstd():
        pyarrow(".zst files")
