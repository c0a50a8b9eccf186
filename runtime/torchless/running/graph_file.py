"""A graph and its weights as they were checked, and sessions made of them without opening a file by name."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import onnxruntime as ort

from .external_data import separate
from .threads import started

_UNMAP_S = 0.002
_FOLDER = "session.model_external_initializers_file_folder_path"


class GraphFile:
    """A graph in memory.

    Attributes:
        path: what messages call it.
        data: the ONNX file.
        weights: the content of the file that its tensors are in; memory mapped, unless it is empty.
        location: the name by which the graph calls that file.
    """

    def __init__(self, path: Path, data: bytes, weights: mmap.mmap | bytes, location: str) -> None:
        self.path = path
        self.data = data
        self.weights = weights
        self.location = location

    def session(self, options: Callable[[], Any], providers: list[Any], *, as_written: bool) -> Any:
        """An `onnxruntime.InferenceSession`.

        Args:
            options: makes its options.
            providers: where it may run.
            as_written: no optimisation is on, so that nothing reads tensors but the kernels. They are then used where
                they are mapped; else onnxruntime gets copies.

        Raises:
            ValueError: it is no ONNX file, or its tensors are elsewhere.
            Exception: onnxruntime cannot load it.
        """
        with _unmapping(self.weights):
            if as_written:
                with suppress(Exception):  # an onnxruntime that takes no mapped tensors gets copies
                    return self._mapped(options(), providers)
            return self._copied(options(), providers)

    def _mapped(self, options: Any, providers: list[Any]) -> Any:
        # onnxruntime looks whether an external file is there, even if nothing is read from it: its own will do.
        own = Path(os.path.realpath(ort.__file__))
        separated = separate(self.data, self.weights, self.location, own.name)
        options.add_session_config_entry(_FOLDER, str(own.parent))
        tensors = {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in separated.tensors.items()}
        for name, tensor in tensors.items():
            options.add_initializer(name, tensor)
        session = ort.InferenceSession(separated.data, options, providers=providers, enable_fallback=0)
        session.tensors = tensors  # they must live as long as it does
        return session

    def _copied(self, options: Any, providers: list[Any]) -> Any:
        separated = separate(self.data, self.weights, self.location)
        options.add_session_config_entry(_FOLDER, os.devnull)  # nothing is there that a graph could name
        tensors = [ort.OrtValue.ortvalue_from_numpy(array) for array in separated.tensors.values()]
        options.add_external_initializers(list(separated.tensors), tensors)
        return ort.InferenceSession(separated.data, options, providers=providers, enable_fallback=0)


@contextmanager
def _unmapping(weights: mmap.mmap | bytes) -> Iterator[None]:
    """Give back pages of weights that have been read, while a session is made of them and once it is.

    onnxruntime packs matrices as its kernels want them, one after another; the mapped ones are not read again. What is
    comes back from the system's cache.
    """
    if not isinstance(weights, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
        yield
        return
    made = threading.Event()

    def unmap() -> None:
        while not made.wait(_UNMAP_S):
            weights.madvise(mmap.MADV_DONTNEED)

    thread = started(unmap)
    try:
        yield
    finally:
        made.set()
        if thread is not None:
            thread.join()
        weights.madvise(mmap.MADV_DONTNEED)
