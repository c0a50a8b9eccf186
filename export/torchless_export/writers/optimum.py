"""Architectures without a family: padded fp32 graphs that optimum traces, as exact as our own, but slower."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import onnx

from torchless.bundle.manifest import GraphKind, Layout, Precision
from torchless.inputs.tokens import Batch
from torchless_export.checkpoint import Checkpoint
from torchless_export.errors import CheckpointError, ScratchError, UnsupportedModelError, one_line
from torchless_export.reference import Reference
from torchless_export.spec import Floats
from torchless_export.weights import WeightsFile

from .writer import Kind, leftovers

_PLACES = {"bbox", "xpath_tags_seq"}  # inputs of models that read where on a page a token stands
_TRACED_TOKENS = 48  # of the example that is traced; a graph takes texts of any length
_POSITIONS = ("max_position_embeddings", "max_encoder_position_embeddings", "max_decoder_position_embeddings")
_ORIGINAL = "original_max_position_embeddings"
_SMALL = 1024  # bytes: smaller tensors (shapes, scales) stay in the graph, where onnxruntime reads them at load


def is_installed() -> bool:
    """Whether optimum's ONNX exporter is there."""
    return find_spec("optimum") is not None and find_spec("optimum.exporters.onnx") is not None


class OptimumWriter:
    """A model as optimum exports it; a `Writer`."""

    layout: Layout = "padded"

    def __init__(self, checkpoint: Checkpoint, kind: GraphKind) -> None:
        self._checkpoint = checkpoint
        self._reference, states, logits = _run(checkpoint, kind)
        reference = self._reference
        self.hidden_size = int(states.shape[1])
        self.outputs = None if logits is None else int(logits.shape[-1])
        self.max_positions = _max_positions(checkpoint, reference)
        self.unread: tuple[str, ...] = ()
        self.notes = (leftovers(reference.unexpected) if reference.head else ()) + _notes(
            reference.model.config, self.max_positions
        )

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
            kind = self._reference.kind
            graphs[kind] = self._graph(kind, weights, self.outputs)
        return graphs

    def _graph(self, kind: GraphKind, weights: WeightsFile, columns: int) -> onnx.ModelProto:
        """One graph; its tensors move into the weights file that the graphs of a variant share."""
        longest = min(self.max_positions or _TRACED_TOKENS, _TRACED_TOKENS)
        model = _exported(self._checkpoint, self._reference, kind, longest)
        model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value = columns  # the tracer leaves it open
        for place, tensor in enumerate(model.graph.initializer):
            array = onnx.numpy_helper.to_array(tensor)
            if array.nbytes >= _SMALL:
                # Two exports give one name to different tensors (onnx::MatMul_123), and equal ones share a place.
                moved = weights.add(f"{kind}.{tensor.name}", array)
                moved.name = tensor.name
                model.graph.initializer[place].CopyFrom(moved)
        return model


def _run(checkpoint: Checkpoint, kind: GraphKind) -> tuple[Reference, Floats, Floats | None]:
    """Load the model and run it once: the shapes of its answers are named differently in every config."""
    reference = Reference(checkpoint, None, kind)
    if places := sorted(_PLACES & reference.inputs):
        raise UnsupportedModelError(
            f"{checkpoint.folder / 'config.json'}, model_type: expected a model that reads text alone, got "
            f"{checkpoint.config['model_type']!r}, which also reads where on a page each word stands ({places[0]}). "
            "A bundle takes no such input."
        )
    (states,), logits = reference.run(["text"])
    # A pooler, though missing, reaches no hidden state.
    missing = [name for name in reference.missing if kind == "classifier" or "pooler" not in name]
    if missing:
        raise CheckpointError(
            f"{checkpoint.folder}: {len(missing)} tensors missing: {', '.join(missing[:5])}. "
            "Fine-tune the model for classification first, or export the body alone with --encoder-only."
        )
    return reference, states, None if logits is None else logits[0]


def _exported(checkpoint: Checkpoint, reference: Reference, kind: GraphKind, longest: int) -> onnx.ModelProto:
    from .tracing import trace

    try:
        with warnings.catch_warnings():  # torch and optimum warn about each other; parity is the judge of the outcome
            warnings.simplefilter("ignore")
            return trace(reference.model, reference.example(longest), kind, head=reference.kind)
    except ScratchError:
        raise
    except Exception as error:  # optimum, transformers and torch raise errors of any class
        raise UnsupportedModelError(
            f"{checkpoint.folder}: optimum cannot export {checkpoint.config['model_type']!r} ({one_line(error)})."
        ) from error


def _max_positions(checkpoint: Checkpoint, reference: Reference) -> int | None:
    """The longest text in tokens that the model's position table holds; None where nothing bounds it.

    Tables of RoBERTa's kind leave the rows up to the padding token's unused.
    """
    config, body = reference.model.config, reference.body
    found = [getattr(config, name, None) for name in _POSITIONS]
    rows = min((int(value) for value in found if isinstance(value, int) and value > 0), default=None)
    if rows is not None and _reads_any_length(checkpoint.config):
        return max(rows, checkpoint.stated_length)
    table = getattr(getattr(body, "embeddings", None), "position_embeddings", None)
    unused = getattr(table, "padding_idx", None)
    usable = None if rows is None else rows - (0 if unused is None else unused + 1)
    same = _same_steps(config)
    return min((most for most in (usable, same and same[0]) if most is not None), default=None)


def _reads_any_length(config: Mapping[str, Any]) -> bool:
    """Whether places come from a formula, so that a model may be tuned for longer texts than its config names."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    turned = "rope_theta" in config or "rope_theta" in rope
    plain = rope.get("rope_type", rope.get("type", "default")) == "default"
    return not config.get("position_biased_input", True) or (turned and plain)  # DeBERTa without its table; RoPE


def _same_steps(config: Any) -> tuple[int, str] | None:
    """The longest text that a model takes the same steps for as for a short one, and why; None where that is any text.

    A graph has the steps of the text that was traced.
    """
    rope = getattr(config, "rope_scaling", None) or getattr(config, "rope_parameters", None) or {}
    positions = getattr(config, "max_position_embeddings", None)
    if getattr(config, "attention_type", None) == "block_sparse":  # beyond: blocks drawn at random for each length
        return (5 + 2 * int(config.num_random_blocks)) * int(config.block_size), (
            "attention_type block_sparse is full attention. For longer texts set attention_type to original_full in "
            "config.json"
        )
    if "long_factor" in rope:
        named = (getattr(config, _ORIGINAL, None), rope.get(_ORIGINAL), positions)
        return min(int(length) for length in named if length), (
            "LongRoPE turns positions by its short factors. Longer texts are turned by others"
        )
    if positions and "dynamic" in str(rope.get("rope_type", rope.get("type"))):
        return int(positions), "dynamic RoPE turns all positions alike. Longer texts are turned by their own length"
    return None


def _notes(config: Any, longest: int | None) -> tuple[str, ...]:
    same = _same_steps(config)
    if same is None or longest != same[0]:
        return ()
    return (f"cutting texts at {longest} tokens, up to which {same[1]}",)
