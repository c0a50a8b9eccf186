"""One text on a GPU: a CUDA graph recorded for each number of tokens, replayed with one launch instead of ninety.

A lone text keeps a GPU busy for less time than it takes to launch its kernels one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from .devices import create
from .graph_file import GraphFile

ONE_AT_A_TIME = threading.Lock()  # runs on the GPU, in this process: CUDA forbids most calls while one is recorded
MAX_TOKENS = 512  # longer texts keep the GPU busy anyway, and each length has buffers of its own
_OF_THE_TEXT = ("input_ids", "type_ids")  # the other inputs follow from the number of tokens


class CudaGraphs:
    """The recordings of a graph for one text alone, which has no branches: one recording per number of tokens."""

    def __init__(self, graph: GraphFile | Path, device: str) -> None:
        """Load a graph onto the GPU; on a CPU it runs too, and nothing is recorded.

        Raises:
            DeviceError, InferenceError: as `devices.create`.
        """
        self._session = create(graph, device, recording=device == "cuda")
        self._device = device
        self._recordings: dict[int, _Recording] = {}

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Answer one text, as `feeds.packed` lays it out; the first of its length takes some milliseconds longer.

        For one thread at a time: a recording has one set of buffers.
        """
        tokens = len(feeds["input_ids"])
        if tokens not in self._recordings:
            self._recordings[tokens] = _Recording(self._session, self._device, feeds)
        return self._recordings[tokens].replay(feeds)


class _Recording:
    """The launches for one number of tokens, between buffers that stay where they are."""

    def __init__(self, session: Any, device: str, feeds: Mapping[str, NDArray[Any]]) -> None:
        tokens = len(feeds["input_ids"])
        self._session = session
        self._binding = session.io_binding()
        self._inputs = {}
        for node in session.get_inputs():
            self._inputs[node.name] = ort.OrtValue.ortvalue_from_numpy(feeds[node.name], device, 0)
            self._binding.bind_ortvalue_input(node.name, self._inputs[node.name])
        (output,) = session.get_outputs()
        rows = tokens if output.shape[0] == "tokens" else 1
        shape = [rows, output.shape[1]]
        self._output = ort.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, device, 0)
        self._binding.bind_ortvalue_output(output.name, self._output)
        self._options = ort.RunOptions()
        self._options.add_run_config_entry("gpu_graph_id", str(tokens))

    def replay(self, feeds: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        for name in _OF_THE_TEXT:
            if name in self._inputs:
                self._inputs[name].update_inplace(feeds[name])
        self._session.run_with_iobinding(self._binding, self._options)
        answer: NDArray[np.float32] = self._output.numpy()
        return answer
