"""A .npy file that is written row by row: its number of rows is known at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchless.atomic_files import AtomicFile, replacing

_HEADER_BYTES = 128  # a multiple of 64, with room for any number of rows


class ArrayFile:
    """Rows of float32, in NumPy's format 1.0 (numpy.org/neps/nep-0001-npy-format)."""

    def __init__(self, file: AtomicFile, columns: int) -> None:
        self._file, self._columns, self._rows = file, columns, 0
        self._kept: list[memoryview] | None = None  # what follows the header, where it cannot be written first
        try:
            file.seek(0)
        except OSError:  # a pipe
            self._kept = []
        else:
            file.write(self._header())

    def add(self, rows: NDArray[np.float32]) -> None:
        """Write rows, float32 (n, columns).

        Raises:
            OutputError: the disk is full.
        """
        data = np.ascontiguousarray(rows, "<f4").reshape(-1).view(np.uint8).data
        self._rows += len(rows)
        if self._kept is None:
            self._file.write(data)
        else:
            self._kept.append(data)

    def complete(self) -> None:
        """Write how many rows there are, and what was kept."""
        if self._kept is None:
            self._file.seek(0)
        self._file.write(self._header())
        for data in self._kept or []:
            self._file.write(data)

    def _header(self) -> bytes:
        described = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({self._rows}, {self._columns}), }}"
        text = described.encode().ljust(_HEADER_BYTES - 11) + b"\n"
        return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@contextmanager
def array_file(path: Path, columns: int) -> Iterator[ArrayFile]:
    """A file that appears whole when the block ends well.

    Raises:
        OutputError: it cannot be written.
    """
    with replacing(path) as file:
        array = ArrayFile(file, columns)
        yield array
        array.complete()
