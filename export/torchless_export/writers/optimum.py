"""Any architecture that optimum can export: padded fp32 graphs, as exact as our own, but slower."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnx

from torchless.bundle.manifest import Layout, Precision
from torchless.inputs.tokens import Batch
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import CheckpointError, UnsupportedModelError
from torchless_export.reference import Reference
from torchless_export.spec import Floats
from torchless_export.weights import WeightsFile

from .writer import Kind, leftovers

# optimum's name for what each graph answers.
_TASKS: dict[Kind, str] = {"encoder": "feature-extraction", "classifier": "text-classification"}
_OUTPUTS: dict[Kind, str] = {"encoder": "last_hidden_state", "classifier": "logits"}
_SMALL = 1024  # bytes: smaller tensors (shapes, scales) stay in the graph, where onnxruntime reads them at load


def is_installed() -> bool:
    """Whether optimum's ONNX exporter is there."""
    return find_spec("optimum") is not None and find_spec("optimum.exporters.onnx") is not None


class OptimumWriter:
    """A model as optimum exports it; a `Writer`."""

    layout: Layout = "padded"

    def __init__(self, checkpoint: Checkpoint, *, head: bool) -> None:
        self._checkpoint = checkpoint
        reference, states, logits = _run(checkpoint, head=head)
        self.hidden_size = int(states.shape[1])
        self.outputs = None if logits is None else int(logits.shape[1])
        self.notes = leftovers(reference.unexpected) if head else ()
        self.max_positions = _max_positions(checkpoint, reference.body)

    def graphs(
        self,
        precision: Precision,
        weights: WeightsFile,
        calibration: Batch | None,  # noqa: ARG002
    ) -> Mapping[Kind, onnx.ModelProto]:
        """The graphs in fp32, the one precision that optimum's graphs have here.

        Raises:
            UnsupportedModelError: optimum cannot export the architecture; the cause is chained.
        """
        assert precision == "fp32"
        graphs: dict[Kind, onnx.ModelProto] = {"encoder": self._graph("encoder", weights, self.hidden_size)}
        if self.outputs is not None:
            graphs["classifier"] = self._graph("classifier", weights, self.outputs)
        return graphs

    def _graph(self, kind: Kind, weights: WeightsFile, columns: int) -> onnx.ModelProto:
        """One graph; its tensors move into the weights file that the graphs of a variant share."""
        with tempfile.TemporaryDirectory() as folder:
            model = _exported(self._checkpoint, Path(folder), _TASKS[kind])
        outputs = {node.name: node for node in model.graph.output}
        if _OUTPUTS[kind] not in outputs:
            raise UnsupportedModelError(
                f"{self._checkpoint.folder}: optimum's graph answers {', '.join(outputs)}, expected {_OUTPUTS[kind]}. "
                "This architecture is no text classifier that Torchless can run."
            )
        output = outputs[_OUTPUTS[kind]]
        output.type.tensor_type.shape.dim[-1].dim_value = columns  # optimum leaves it open
        del model.graph.output[:]
        model.graph.output.append(output)
        for place, tensor in enumerate(model.graph.initializer):
            array = onnx.numpy_helper.to_array(tensor)
            if array.nbytes >= _SMALL:
                # Two exports give one name to different tensors (onnx::MatMul_123), and equal ones share a place.
                moved = weights.add(f"{kind}.{tensor.name}", array)
                moved.name = tensor.name
                model.graph.initializer[place].CopyFrom(moved)
        return model


def _run(checkpoint: Checkpoint, *, head: bool) -> tuple[Reference, Floats, Floats | None]:
    """Load the model and run it once: the shapes of its answers are named differently in every config."""
    reference = Reference(checkpoint, None, head=head)
    (states,), logits = reference.run(["text"])
    # A pooler, though missing, reaches no hidden state.
    missing = [name for name in reference.missing if head or "pooler" not in name]
    if missing:
        raise CheckpointError(
            f"{checkpoint.folder}: {len(missing)} tensors missing: {', '.join(missing[:5])}. "
            "Fine-tune the model for classification first, or export the body alone with --encoder-only."
        )
    return reference, states, logits


def _exported(checkpoint: Checkpoint, folder: Path, task: str) -> onnx.ModelProto:
    from optimum.exporters.onnx import main_export

    try:
        with warnings.catch_warnings():  # torch and optimum warn about each other; parity is the judge of the outcome
            warnings.simplefilter("ignore")
            main_export(
                str(checkpoint.folder),
                output=folder,
                task=task,
                do_validation=False,
                trust_remote_code=checkpoint.trust_remote_code,
                local_files_only=True,
            )
        return onnx.load(folder / "model.onnx")
    except Exception as error:  # optimum, transformers and torch raise errors of any class
        raise UnsupportedModelError(
            f"{checkpoint.folder}: optimum cannot export {checkpoint.config['model_type']!r} ({error})."
        ) from error


def _max_positions(checkpoint: Checkpoint, body: Any) -> int | None:
    """Rows of the model's position table that a text can use; None where nothing bounds it.

    Args:
        checkpoint: its config names the rows.
        body: the PyTorch model; tables of RoBERTa's kind leave the rows up to the padding token's unused.
    """
    rows = checkpoint.config.get("max_position_embeddings")
    if rows is not None and not checkpoint.config.get("position_biased_input", True):  # DeBERTa without the table
        return max(int(rows), checkpoint.tokenizer_limit)
    table = getattr(getattr(body, "embeddings", None), "position_embeddings", None)
    unused = getattr(table, "padding_idx", None)
    return None if rows is None else int(rows) - (0 if unused is None else unused + 1)
