"""Architectures with a family: graphs from our own builder, packed, or padded for other servers."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from torchless.bundle.manifest import GraphKind, Layout, Precision
from torchless.inputs.tokens import Batch
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import CheckpointError, ExportError, SettingError, UnsupportedModelError
from torchless_export.families import FAMILIES
from torchless_export.families.reading import NULL_IS_A_VALUE, STATED_LENGTH, WithDefaults
from torchless_export.graph import Layout as GraphLayout
from torchless_export.graph import NumberFormat, build
from torchless_export.precision.calibration import calibrate
from torchless_export.precision.folding import without_down_biases
from torchless_export.precision.fp16 import Fp16
from torchless_export.precision.fp32 import Fp32
from torchless_export.precision.int8 import Int8
from torchless_export.spec import EncoderSpec
from torchless_export.tensors import Tensors
from torchless_export.weights import WeightsFile

from .writer import LONE, Kind, leftovers


class PackedWriter:
    """A model as a spec; a `Writer`."""

    def __init__(self, checkpoint: Checkpoint, kind: GraphKind, *, layout: Layout) -> None:
        self.layout = layout
        self._kinds: tuple[GraphKind, ...] = ("encoder",) if kind == "encoder" else ("encoder", kind)
        tensors = Tensors(checkpoint.weights(), str(checkpoint.folder))
        self.spec = _read(checkpoint, tensors, kind)
        self.notes = leftovers(tensors.ignored) if self.spec.head else ()
        self.unread = tuple(tensors.unread)
        self.hidden_size = self.spec.hidden_size
        self.outputs = None if self.spec.head is None else len(self.spec.head.out.bias)
        self.max_positions: int | None = self.spec.max_positions

    def graphs(
        self, precision: Precision, weights: WeightsFile, calibration: Batch | None
    ) -> Mapping[Kind, onnx.ModelProto]:
        """The graphs of one variant; fp16, which is for GPUs, has two more for one text alone."""
        spec, numbers = self._written(precision, calibration)

        def graph(kind: GraphKind, layout: GraphLayout) -> onnx.ModelProto:
            return build(spec, numbers, weights, head=kind != "encoder", layout=layout)

        graphs: dict[Kind, onnx.ModelProto] = {kind: graph(kind, self.layout) for kind in self._kinds}
        if precision == "fp16" and self.layout == "packed":
            graphs |= {LONE[kind]: graph(kind, "lone") for kind in self._kinds}
        return graphs

    def _written(self, precision: Precision, calibration: Batch | None) -> tuple[EncoderSpec, NumberFormat]:
        """The model as a precision writes it, and the number format."""
        if precision != "int8":
            return self.spec, Fp16() if precision == "fp16" else Fp32()
        assert calibration is not None
        spec = without_down_biases(self.spec)
        return spec, Int8(calibrate(spec, calibration))


def _read(checkpoint: Checkpoint, tensors: Tensors, kind: GraphKind) -> EncoderSpec:
    path, architecture = checkpoint.folder / "config.json", checkpoint.config["model_type"]
    # A field that is null has transformers' default, as one that is not there; but for one.
    stated = {
        field: value for field, value in checkpoint.config.items() if value is not None or field == NULL_IS_A_VALUE
    }
    config = WithDefaults(stated)
    if kind != "encoder":
        _ = checkpoint.labels  # refused here by their name: transformers 5 fails on them when it loads the tokenizer
    config[STATED_LENGTH] = checkpoint.stated_length
    try:
        return FAMILIES[architecture](config, tensors, kind)
    except KeyError as error:
        raise CheckpointError(f"{path}: expected a field {error}, got none.") from error
    except UnsupportedModelError as error:
        raise SettingError(str(error)) from error
    except ExportError:
        raise
    except (ArithmeticError, AttributeError, IndexError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: a field has a value that {architecture!r} cannot have ({error}).") from error
