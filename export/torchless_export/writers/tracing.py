"""A model traced by optimum: its patches for tracing, our forward pass and inputs."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from typing import Any

import onnx
from optimum.exporters.onnx import OnnxConfig, export, model_configs
from optimum.exporters.tasks import TasksManager
from optimum.utils import NormalizedTextConfig

from torchless.bundle.manifest import GraphKind
from torchless_export.scratch import scratch_folder

from .forward import answer, traceable

_OPSET = 18
_TASKS = ("text-classification", "token-classification", "feature-extraction")
_OUTPUTS: Mapping[GraphKind, str] = {
    "encoder": "last_hidden_state",
    "classifier": "logits",
    "token_classifier": "logits",
}
assert model_configs  # imported because it registers what optimum knows of each architecture


def trace(model: Any, example: Mapping[str, Any], kind: GraphKind, *, head: GraphKind) -> onnx.ModelProto:
    """A graph of a model, from int64 (texts, longest) inputs to `logits` or `last_hidden_state`.

    Args:
        model: of transformers.
        example: the inputs that are traced.
        kind: which graph.
        head: which head the model has; "encoder" for none.
    """
    own, forward = model.forward, _forward(model, list(example), kind, head)
    with scratch_folder() as folder, traceable(model), redirect_stdout(io.StringIO()):
        path = folder / "model.onnx"
        model.forward = forward
        try:
            export(model, _Traced(model.config, example, kind), path, opset=_OPSET)
        finally:
            model.forward = own
        return onnx.load(path)


def _forward(model: Any, names: list[str], kind: GraphKind, head: GraphKind) -> Callable[..., dict[str, Any]]:
    own = model.forward

    def forward(*given: Any, **named: Any) -> dict[str, Any]:
        states, logits = answer(model, own, {**dict(zip(names, given, strict=False)), **named}, head)
        return {_OUTPUTS[kind]: states if kind == "encoder" else logits}

    # optimum and torch read the names of the inputs here.
    either = inspect.Parameter.POSITIONAL_OR_KEYWORD
    forward.__signature__ = inspect.Signature([inspect.Parameter(name, either) for name in names])  # type: ignore[attr-defined]
    return forward


class _Traced(OnnxConfig):  # type: ignore[misc]  # optimum has no types
    """What optimum asks about an export; its patches are those of the architecture, where it knows that."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig
    _behavior = None  # which part of an encoder-decoder: the whole

    def __init__(self, config: Any, example: Mapping[str, Any], kind: GraphKind) -> None:
        self._example, self._kind = example, kind
        super().__init__(config, task=_TASKS[0])
        known = TasksManager._SUPPORTED_MODEL_TYPE.get(config.model_type, {}).get("onnx", {})  # noqa: SLF001
        constructor = next((known[task] for task in _TASKS if task in known), None)
        if patcher := getattr(getattr(constructor, "func", constructor), "_MODEL_PATCHER", None):
            self._MODEL_PATCHER: Any = patcher

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        """The axes of each input that can have any length."""
        return {name: {0: "texts", 1: "longest"} for name in self._example}

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        """The same of the output."""
        return {_OUTPUTS[self._kind]: {0: "texts"} if self._kind == "classifier" else {0: "texts", 1: "longest"}}

    def generate_dummy_inputs(self, framework: str = "pt", **_: Any) -> dict[str, Any]:
        """The inputs that are traced, and, as numpy arrays, those that optimum runs the graph with once."""
        return {name: value if framework == "pt" else value.numpy() for name, value in self._example.items()}
