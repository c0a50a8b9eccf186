"""A graph on a device: batches in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchless.errors import InferenceError
from torchless.inputs.tokens import Batch

from .cuda_graphs import MAX_TOKENS, ONE_AT_A_TIME, Replay
from .denormals import flushing
from .devices import create
from .plan import BUDGETS

_NOT_READ = {
    "slots": np.zeros((1, 1), np.int32),
    "rows": np.zeros(1, np.int32),
    "mask": np.zeros((1, 1, 1, 1), np.bool_),
}


class Session:
    """One graph, loaded.

    Attributes:
        output_size: the last dimension of what the graph answers.
        padded: whether the graph takes padded tokens instead of packed ones.
        threads: CPU threads that a run may use; 1 on a GPU.
        budget: how large a batch should be at most.
    """

    def __init__(
        self,
        graph: Path,
        *,
        device: str,
        threads: int | None,
        padding_id: int | None = None,
        lone: Path | None = None,
    ) -> None:
        """Load a graph and map its weights.

        Args:
            graph: the ONNX file; its weights lie beside it.
            device: "cpu" or "cuda".
            threads: threads a run may use; None takes CPU affinity ∩ cgroup quota.
            padding_id: the token id that fills up a batch of a padded graph; None for a packed graph.
            lone: the same graph for one text alone, to be replayed on a GPU.

        Raises:
            DeviceError, InferenceError: as `devices.create`.
        """
        self.padded = padding_id is not None
        self._padding_id = padding_id
        self._make_twin = partial(Session, graph, device=device, threads=1, padding_id=padding_id)
        self._session = create(graph, device, threads=threads, as_written=not self.padded)
        self._replay = None if lone is None else Replay(lone, device)
        self._exclusive = nullcontext() if device == "cpu" else ONE_AT_A_TIME
        self.budget = BUDGETS[device]
        self.threads: int = self._session.get_session_options().intra_op_num_threads if device == "cpu" else 1
        self._inputs = {node.name for node in self._session.get_inputs()}
        self.output_size: int = self._session.get_outputs()[0].shape[-1]

    @cached_property
    def twin(self) -> Session:
        """The same graph with one thread a run, for callers side by side; loaded when it is first asked for.

        It maps the same weights, and packs them once more. onnxruntime fixes the threads of a session for good.

        Raises:
            InferenceError: onnxruntime cannot load the graph; the cause is chained.
        """
        return self._make_twin()

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Run one batch.

        Returns:
            float32 (texts, labels) from a classifier graph, (tokens, dim) from an encoder graph.

        Raises:
            InferenceError: onnxruntime refused the batch (the cause is chained), or a value is NaN or infinite.
        """
        output = self.outputs(batch)[0]
        if not np.isfinite(output).all():
            raise InferenceError(
                "the model answered with NaN or infinity. Its weights overflow at this precision; try precision='fp32'."
            )
        return output

    def outputs(self, batch: Batch) -> list[NDArray[np.float32]]:
        """Run one batch and return all that the graph puts out, unchecked.

        Raises:
            InferenceError: onnxruntime refused the batch; the cause is chained.
        """
        arrays = layout(batch) if self._padding_id is None else padded(batch, self._padding_id)
        try:
            with self._exclusive:
                outputs = self._outputs(arrays)
        except Exception as error:  # see devices.create
            texts, tokens = len(batch.lengths), len(batch.input_ids)
            raise InferenceError(f"onnxruntime refused a batch of {texts} texts, {tokens} tokens: {error}") from error
        if self.padded:
            filled = arrays["attention_mask"].astype(np.bool_)  # (texts, longest)
            outputs = [output[filled] if output.ndim == 3 else output for output in outputs]
        return outputs

    def _outputs(self, arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        if self._replay is not None and arrays["alone"] and len(arrays["input_ids"]) <= MAX_TOKENS:
            return [self._replay.run(arrays)]
        feeds = {name: array for name, array in arrays.items() if name in self._inputs}
        outputs: list[NDArray[np.float32]] = flushing(self._session.run, None, feeds)
        return outputs


def layout(batch: Batch) -> dict[str, NDArray[Any]]:
    """The graph's inputs for a batch, as docs/bundle.md defines them.

    The attention core works on a (texts, longest) rectangle of slots. `slots` says which packed row fills a slot,
    `rows` in which slot a packed row ends up, `mask` which slots hold a token. A text alone is its own rectangle.
    """
    lengths, first = batch.lengths, batch.offsets[:-1]
    feeds = {
        "input_ids": batch.input_ids,
        "type_ids": batch.type_ids,
        "lengths": lengths.astype(np.int32),
        "first": first.astype(np.int32),
        "alone": np.array(len(lengths) == 1),
    }
    if len(lengths) == 1:
        return feeds | {"position_ids": np.arange(len(batch.input_ids), dtype=np.int32)} | _NOT_READ
    longest, starts = int(lengths.max()), np.repeat(first, lengths)
    columns, positions = np.arange(longest), np.arange(len(batch.input_ids)) - starts
    filled = columns < lengths[:, None]  # (texts, longest)
    slots = np.where(filled, first[:, None] + columns, 0)
    rows = np.repeat(np.arange(len(lengths)) * longest, lengths) + positions
    return feeds | {
        "position_ids": positions.astype(np.int32),
        "slots": slots.astype(np.int32),
        "rows": rows.astype(np.int32),
        "mask": np.repeat(filled[:, None, None], longest, axis=2),  # (texts, 1, longest, longest)
    }


def padded(batch: Batch, padding_id: int) -> dict[str, NDArray[Any]]:
    """The inputs of a padded graph for a batch: int64 (texts, longest), filled up on the right."""
    lengths = batch.lengths
    filled = np.arange(int(lengths.max())) < lengths[:, None]  # (texts, longest)
    ids, types = np.full(filled.shape, padding_id, np.int64), np.zeros(filled.shape, np.int64)
    ids[filled], types[filled] = batch.input_ids, batch.type_ids
    return {"input_ids": ids, "attention_mask": filled.astype(np.int64), "token_type_ids": types}
