"""An fp32 graph that shows what int8 would quantise."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx

from torchless.inputs.tokens import Batch
from torchless.running.plan import split
from torchless.running.session import Session
from torchless_export.graph import Graph, build
from torchless_export.scratch import scratch_folder
from torchless_export.spec import EncoderSpec, Floats, Linear
from torchless_export.weights import WeightsFile

from .fp32 import Fp32


class Sites(Fp32):
    """An fp32 format that remembers the tensors which int8 would quantise, and the weights that each meets.

    Attributes:
        tensors: the tensor at each site, in the graph's order.
        weights: the largest absolute weight that each input channel of a site meets, float32 (columns,).
        shares: sites with one number feed the same weights.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, str] = {}
        self.weights: dict[str, Floats] = {}
        self.shares: dict[str, int] = {}

    def enter(self, graph: Graph, name: str, x: str) -> str:  # noqa: ARG002
        """Remember it."""
        self.tensors[name] = x
        return x

    def linear(self, graph: Graph, name: str, x: str, site: str, linear: Linear) -> str:
        """Remember its weights."""
        self.shares.setdefault(site, id(linear.weight))
        largest = np.abs(linear.weight).max(axis=1)
        self.weights[site] = np.maximum(self.weights.get(site, largest), largest)
        return super().linear(graph, name, x, site, linear)


class Observer:
    """Runs tokenised texts and answers what each site sees.

    Attributes:
        sites: what the graph has.
    """

    def __init__(self, path: Path, sites: Sites) -> None:
        self.sites = sites
        self._session = Session(path, device="cpu", threads=None)

    def run(self, batch: Batch, sites: Collection[str]) -> Iterator[tuple[str, Floats]]:
        """(site, values (rows, columns)) of some sites, batch by batch."""
        for _, part in split(batch, self._session.budget):
            for site, values in zip(self.sites.tensors, self._session.outputs(part), strict=True):
                if site in sites:
                    yield site, values.reshape(-1, values.shape[-1])


@contextmanager
def observing(spec: EncoderSpec) -> Iterator[Observer]:
    """The graph with the head, where there is one, every layer for all tokens: it has the sites of both graphs."""
    sites, weights = Sites(), WeightsFile("weights")
    model = build(spec, sites, weights, head=spec.head is not None, first_only=False)
    del model.graph.output[:]
    for tensor in sites.tensors.values():
        model.graph.output.append(onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None))
    with scratch_folder() as folder:
        weights.write(folder)
        path = folder / "graph.onnx"
        path.write_bytes(model.SerializeToString())
        yield Observer(path, sites)
