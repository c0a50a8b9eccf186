"""A graph on a device: batches in, arrays out."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from torchless.errors import InferenceError, shown
from torchless.inputs.tokens import Batch

from . import feeds, huge_pages
from .cuda_graphs import MAX_TOKENS, ONE_AT_A_TIME, CudaGraphs
from .denormals import flushing
from .devices import create
from .finite import finite
from .forks import Runs, keep
from .graph_file import GraphFile
from .plan import BUDGETS

Rows = Literal["texts", "tokens"]
_KEPT_TOKENS = 2048  # 16 texts of 500 tokens took 300 MiB of sst2-mini's process, and then 10


class Session:
    """One graph, loaded.

    Attributes:
        columns: the last axis of what the graph answers: labels, or the hidden size.
        padded: whether the graph takes padded tokens instead of packed ones.
        threads: CPU threads that a run may use; 1 on a GPU.
        budget: how large a batch should be at most.
    """

    def __init__(
        self,
        graph: GraphFile | Path,
        *,
        device: str,
        threads: int | None,
        padding_id: int | None = None,
        lone: GraphFile | Path | None = None,
        rows: Rows | None = None,
    ) -> None:
        """Load a graph.

        Args:
            graph: as in `devices.create`.
            device: "cpu" or "cuda".
            threads: threads a run may use; None takes CPU affinity ∩ cgroup quota.
            padding_id: the token id that fills up a batch of a padded graph; None for a packed graph.
            lone: the same graph for one text alone, to be recorded as CUDA graphs.
            rows: what the graph answers with one row for each, "texts" or "tokens"; `run` then refuses other shapes.

        Raises:
            DeviceError, InferenceError: as `devices.create`.
        """
        self.padded = padding_id is not None
        self._padding_id = padding_id
        self._rows = rows
        self._device = device
        self._make_another = partial(Session, graph, device=device, padding_id=padding_id, rows=rows)
        self._others: dict[int, Session] = {}
        self._make = partial(_created, graph, device, threads=threads, as_written=not self.padded)
        self._session = self._make()
        self._runs = Runs(survive_forks=device == "cpu")
        self._recordings = None if lone is None else CudaGraphs(lone, device)
        self._exclusive = nullcontext() if device == "cpu" else ONE_AT_A_TIME
        self.budget = BUDGETS[device]
        self.threads: int = self._session.get_session_options().intra_op_num_threads if device == "cpu" else 1
        self._inputs = [node.name for node in self._session.get_inputs()]
        self.columns = _columns(self._session.get_outputs()[0])

    def with_threads(self, threads: int) -> Session:
        """The same graph with so many threads a run; loaded when it is first asked for, and kept.

        It maps the same weights, and packs them once more. onnxruntime fixes the threads of a session for good.

        Raises:
            InferenceError: onnxruntime cannot load the graph; the cause is chained.
        """
        if threads == self.threads:
            return self
        if threads not in self._others:
            with self._runs.lock:
                self._others[threads] = self._others.get(threads) or self._make_another(threads=threads)
        return self._others[threads]

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Run one batch.

        Returns:
            float32 (texts, labels) from a classifier graph, (tokens, labels) from a token classifier graph, (tokens,
            hidden_size) from an encoder graph.

        Raises:
            InferenceError: onnxruntime refused the batch (the cause is chained), or answered with another shape or
                type, or a value is NaN or infinite.
        """
        output = self.outputs(batch)[0]
        if self._rows is not None:
            expected = (len(batch.lengths) if self._rows == "texts" else len(batch.input_ids), self.columns)
            if output.shape != expected or output.dtype.kind != "f":
                raise InferenceError(
                    f"the model answered with {output.dtype} {output.shape} to {len(batch.lengths)} texts, "
                    f"{len(batch.input_ids)} tokens; expected float32 {expected}. Export the bundle again."
                )
        if output.dtype != np.float32:
            with np.errstate(all="ignore"):
                output = output.astype(np.float32)
        return finite(output)

    def outputs(self, batch: Batch) -> list[NDArray[np.float32]]:
        """Run one batch and return all that the graph puts out, unchecked.

        Raises:
            InferenceError: onnxruntime refused the batch; the cause is chained. Or it is on a GPU, which a process
                that was forked from this one cannot use.
        """
        if self._runs.cut_off:
            self._make_anew()
        try:
            arrays = feeds.packed(batch) if self._padding_id is None else feeds.padded(batch, self._padding_id)
            taken = {name: arrays[name] for name in self._inputs if name in arrays}
            with self._runs, self._exclusive, flushing:
                if self._recordings is not None and arrays["alone"] and len(batch.input_ids) <= MAX_TOKENS:
                    return [self._recordings.run(arrays)]
                outputs: list[NDArray[np.float32]] = self._session.run(None, taken, self._options(batch))
            if self.padded:
                filled = arrays["attention_mask"].astype(np.bool_)  # (texts, longest)
                outputs = [output[filled] if output.ndim == 3 else output for output in outputs]
        except Exception as error:  # see devices.create
            raise InferenceError(f"onnxruntime refused {_size(batch)}: {error}") from error
        return outputs

    def _make_anew(self) -> None:
        """In a process that was forked during a run, which may have locked the session for ever."""
        if self._device != "cpu":
            raise InferenceError(
                "the model is on a GPU, and this process was forked from the one that loaded it: CUDA does not "
                "survive a fork. Start processes with multiprocessing.get_context('spawn'), and load the model there."
            )
        with self._runs.lock:
            if self._runs.cut_off:
                keep(self._session)
                self._session = self._make()
                self._runs.cut_off = False

    def _options(self, batch: Batch) -> ort.RunOptions | None:
        """A large run gives back what it took: onnxruntime's arena would keep it for the next one, which is seldom."""
        if self._device != "cpu" or len(batch.input_ids) <= _KEPT_TOKENS:
            return None
        options = ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        return options


def _created(graph: GraphFile | Path, device: str, *, threads: int | None, as_written: bool) -> Any:
    with huge_pages.collapsing(0 if device != "cpu" or isinstance(graph, Path) else len(graph.weights)):
        return create(graph, device, threads=threads, as_written=as_written)


def _size(batch: Batch) -> str:
    try:
        return f"a batch of {len(batch.lengths)} texts, {len(batch.input_ids)} tokens"
    except Exception:  # what a caller made by hand
        return f"what is no batch, {shown(batch)}"


def _columns(output: Any) -> int:
    if not output.shape:
        raise InferenceError(f"the graph's output {output.name}: expected an array, got {output.type} without a shape.")
    columns: int = output.shape[-1]
    return columns
