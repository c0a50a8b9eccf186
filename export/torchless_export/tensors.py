"""The tensors of a checkpoint, looked up by name and checked against a shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from .errors import CheckpointError
from .spec import Floats, Linear, Norm


class Tensors:
    """Named float32 arrays that remember which of them were asked for.

    Attributes:
        ignored: names outside the body that nothing read, such as a pretraining head, once `find_unread` has looked.
        unread: names in the body that nothing read, likewise.
    """

    def __init__(self, arrays: Mapping[str, Floats], where: str) -> None:
        self._arrays = arrays
        self._where = where
        self._used: set[str] = set()
        self.ignored: list[str] = []
        self.unread: list[str] = []

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def array(self, name: str, *shape: int | None) -> Floats:
        """The tensor of that name, checked against a shape; None stands for any length.

        Raises:
            CheckpointError: it is missing, of another shape, or holds NaN or infinity.
        """
        if name not in self._arrays:
            raise CheckpointError(f"{self._where}: no tensor {name!r} (got {self._sample()}).")
        array = self._arrays[name]
        if len(array.shape) != len(shape) or any(w not in (None, g) for w, g in zip(shape, array.shape, strict=True)):
            wanted = tuple("any" if n is None else n for n in shape)
            raise CheckpointError(f"{self._where}: {name} has shape {array.shape}, but the config says {wanted}.")
        if not np.isfinite(array).all():
            raise CheckpointError(f"{self._where}: {name} holds NaN or infinity. Save the checkpoint again.")
        self._used.add(name)
        return array

    def prefix(self, prefix: str, name: str) -> str:
        """The prefix where the tensor `name` carries it, as in a whole model; "" where it does not, as in a body."""
        return prefix if f"{prefix}{name}" in self else ""

    def linear(self, name: str, inputs: int, outputs: int | None, *, optional_bias: bool = False) -> Linear:
        """A product: PyTorch's nn.Linear keeps its weight as (out, in), a graph multiplies by (in, out).

        Args:
            name: without ".weight" and ".bias".
            inputs: expected length of the last axis of the input.
            outputs: expected length of the last axis of the output; None for any.
            optional_bias: take zeros where the checkpoint has no bias.
        """
        weight = self.array(f"{name}.weight", outputs, inputs)
        bias = self._bias(f"{name}.bias", len(weight), optional=optional_bias)
        return Linear(np.ascontiguousarray(weight.T), bias)

    def norm(self, name: str, size: int, epsilon: float, *, optional_bias: bool = False) -> Norm:
        """PyTorch's nn.LayerNorm; old checkpoints, from TensorFlow, call its weight gamma and its bias beta."""
        scale, shift = ("gamma", "beta") if f"{name}.gamma" in self else ("weight", "bias")
        return Norm(
            self.array(f"{name}.{scale}", size),
            self._bias(f"{name}.{shift}", size, optional=optional_bias),
            float(epsilon),
        )

    def _bias(self, name: str, size: int, *, optional: bool) -> Floats:
        return np.zeros(size, np.float32) if optional and name not in self else self.array(name, size)

    def find_unread(self, body: str, known: Iterable[str] = ()) -> None:
        """Fill `ignored` and `unread`: the graph leaves these tensors out.

        Args:
            body: the prefix of the body's tensors; "" where it has none, and nothing is outside.
            known: beginnings of names that are known not to matter, with the body's prefix or without it.
        """
        known = tuple(known)
        known += tuple(f"{body}{name}" for name in known)
        left = sorted(n for n in self._arrays if n not in self._used and not n.startswith(known))
        self.ignored = [name for name in left if not name.startswith(body)]
        self.unread = [name for name in left if name.startswith(body)]

    def _sample(self) -> str:
        names = sorted(self._arrays)
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
