"""Compressed files, read and written as a stream."""

from __future__ import annotations

import gzip
import io
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from torchless.errors import InputError, TorchlessError

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
        if isinstance(error, TorchlessError):
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
    """Python's own, else pyarrow's, which cannot go back."""
    if zstd := _zstd():
        return zstd.open(file, "rb")
    arrow = pyarrow("reading .zst files")
    return io.BufferedReader(arrow.CompressedInputStream(arrow.PythonFile(file, "r"), "zstd"), 1 << 17)


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
