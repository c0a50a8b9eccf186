"""The file that graphs keep their tensors in: raw, little-endian, aligned so that it can be memory-mapped."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from .errors import ExportError

_PAGE = 4096  # a mapped tensor begins on a page of its own
_CACHE_LINE = 64  # small tensors share pages


class WeightsFile:
    """Tensors by name, each stored once however many graphs or layers ask for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._arrays: dict[str, NDArray[np.generic]] = {}
        self._offsets: dict[str, int] = {}
        self._by_content: dict[tuple[bytes, str], int] = {}
        self._end = 0

    def add(self, name: str, array: NDArray[np.generic]) -> onnx.TensorProto:
        """A graph's reference to a tensor of this file.

        Equal tensors share one place: layers that share their weights (ALBERT) cost what one of them does.

        Raises:
            ExportError: the name stands for another tensor already.
        """
        array = np.ascontiguousarray(array)
        if name in self._arrays:
            if not np.array_equal(array, self._arrays[name]):
                raise ExportError(f"{self.name}: two tensors of different content are called {name}.")
        else:
            self._arrays[name] = array
            content = (hashlib.sha256(array.tobytes()).digest(), array.dtype.str)
            if content not in self._by_content:
                alignment = _PAGE if array.nbytes >= _PAGE else _CACHE_LINE
                self._by_content[content] = -(-self._end // alignment) * alignment
                self._end = self._by_content[content] + array.nbytes
            self._offsets[name] = self._by_content[content]
        tensor = onnx.TensorProto(
            name=name,
            data_type=onnx.helper.np_dtype_to_tensor_dtype(array.dtype),
            dims=array.shape,
            data_location=onnx.TensorProto.EXTERNAL,
        )
        for key, value in (("location", self.name), ("offset", self._offsets[name]), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor

    def write(self, folder: Path) -> None:
        """Write the file into a folder."""
        with (folder / self.name).open("wb") as file:
            for name, array in self._arrays.items():
                file.seek(self._offsets[name])
                file.write(array.tobytes())
