"""Architectures with a family: graphs from our own builder, packed, or padded for other servers."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from torchless.bundle.manifest import Layout
from torchless.inputs.tokens import Batch
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import CheckpointError
from torchless_export.families import FAMILIES
from torchless_export.graph import Precision, build
from torchless_export.graph.lone import lone
from torchless_export.graph.standard import standard
from torchless_export.precision.calibration import calibrate
from torchless_export.precision.fp16 import Fp16
from torchless_export.precision.fp32 import Fp32
from torchless_export.precision.int8 import Int8
from torchless_export.spec import EncoderSpec
from torchless_export.tensors import Tensors
from torchless_export.weights import WeightsFile
from torchless_export.write import Kind

_LONE: Mapping[Kind, Kind] = {"encoder": "lone_encoder", "classifier": "lone_classifier"}


class Lean:
    """A model as a spec.

    Attributes:
        hidden_size: width of its hidden states.
        outputs: of its head; None without one.
        max_positions: most tokens a text may have.
        layout: of the graphs.
    """

    def __init__(self, checkpoint: Checkpoint, *, head: bool, layout: Layout) -> None:
        self.spec = _read(checkpoint, head=head)
        self.layout = layout
        self.hidden_size = self.spec.dim
        self.outputs = None if self.spec.head is None else len(self.spec.head.out.bias)
        self.max_positions = self.spec.max_positions

    def fp32(self, weights: WeightsFile) -> Mapping[Kind, onnx.ModelProto]:
        """The graphs in float32."""
        return self._graphs(weights, Fp32(), Fp32())

    def fp16(self, weights: WeightsFile) -> Mapping[Kind, onnx.ModelProto]:
        """The graphs in float16, and those for one text alone."""
        graphs = self._graphs(weights, Fp16(), Fp16())
        if self.layout == "padded":
            return graphs
        return {**graphs, **{_LONE[kind]: lone(model) for kind, model in graphs.items()}}

    def int8(self, weights: WeightsFile, texts: Batch) -> Mapping[Kind, onnx.ModelProto]:
        """The graphs in int8, calibrated on texts."""
        sites = calibrate(self.spec, texts, head=False, known_smoothing={})
        if self.spec.head is None:
            return self._graphs(weights, Int8(sites), None)
        smoothing = {name: site.smoothing for name, site in sites.items() if site.smoothing is not None}
        return self._graphs(
            weights, Int8(sites), Int8(calibrate(self.spec, texts, head=True, known_smoothing=smoothing))
        )

    def _graphs(
        self, weights: WeightsFile, encoder: Precision, classifier: Precision | None
    ) -> Mapping[Kind, onnx.ModelProto]:
        graphs: dict[Kind, onnx.ModelProto] = {"encoder": build(self.spec, encoder, weights, head=False)}
        if self.spec.head is not None and classifier is not None:
            graphs["classifier"] = build(self.spec, classifier, weights, head=True)
        if self.layout == "padded":
            return {kind: standard(model) for kind, model in graphs.items()}
        return graphs


def _read(checkpoint: Checkpoint, *, head: bool) -> EncoderSpec:
    family = FAMILIES[checkpoint.config["model_type"]]
    try:
        return family(checkpoint.config, Tensors(checkpoint.weights(), str(checkpoint.folder)), head)
    except KeyError as error:
        raise CheckpointError(f"{checkpoint.folder / 'config.json'}: expected a field {error}, got none.") from error
