"""What `pipeline` is told about the model: which one, on which device, in which precision."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeVar

from torchless.bundle.bundle import Bundle
from torchless.bundle.manifest import GraphKind
from torchless.errors import InputError, shown
from torchless.model import Device, Model

# transformers' settings: the values that leave the answers alone, and what to do instead of giving another one.
_HARMLESS: dict[str, tuple[tuple[Any, ...], str]] = {
    "args_parser": ((None,), "Leave it out."),
    "binary_output": ((None, False), "Save what the pipeline returns."),
    "config": ((None,), "A bundle has its own: leave it out."),
    "device_map": ((None,), "Use device."),
    "feature_extractor": ((None,), "Text has none: leave it out."),
    "framework": ((None, "pt"), "A bundle runs in onnxruntime: leave it out."),
    "image_processor": ((None,), "Text has none: leave it out."),
    "model_kwargs": ((None, {}), "Use device and dtype, or load the model with Classifier.load or Encoder.load."),
    "modelcard": ((None,), "Leave it out."),
    "pipeline_class": ((None,), "Leave it out."),
    "processor": ((None,), "Text has none: leave it out."),
    "token": ((None, True), "Set HF_TOKEN in the environment."),
    "tokenizer": ((None,), "A bundle has its own: leave it out."),
    "trust_remote_code": ((None, True, False), "A bundle holds no code: leave it out."),
    "use_auth_token": ((None, True), "Set HF_TOKEN in the environment."),
    "use_fast": ((None, True), "A bundle's tokenizer is a fast one: leave it out."),
    "video_processor": ((None,), "Text has none: leave it out."),
}


_TASK_OF: dict[GraphKind, str] = {
    "classifier": "text-classification",
    "token_classifier": "token-classification",
    "encoder": "feature-extraction",
}
M = TypeVar("M", bound=Model)


def without_harmless(parameters: Mapping[str, Any], model: object) -> dict[str, Any]:
    """The parameters that are not settings of transformers' which leave the answers alone.

    Raises:
        InputError: one is such a setting with a value that would not.
    """
    for name, value in parameters.items():
        harmless, advice = _HARMLESS.get(name, ((value,), ""))
        same = any(value is each or (type(value) is type(each) and value == each) for each in harmless)
        if not same and not (name == "tokenizer" and str(value) == str(model)):
            raise InputError(f"{name}: expected {' or '.join(map(repr, harmless))}, got {shown(value)}. {advice}")
    return {name: value for name, value in parameters.items() if name not in _HARMLESS}


def task_of(model: Any, revision: str | None) -> str:
    """The task that a model was made for."""
    if isinstance(model, Model):
        return _TASK_OF[model.graph_kind]
    manifest = Bundle.open(_place(model), revision=revision).manifest
    return _TASK_OF[manifest.kind if manifest.labels else "encoder"]


def load(kind: type[M], model: Any, *, device: Any, dtype: Any, revision: str | None) -> M:
    """The model, loaded unless it is already.

    Raises:
        InputError: it is of the wrong kind, or of none; or a setting is unknown, or comes too late.
        BundleError, DeviceError, InferenceError, MissingExtraError, OutputError: as in `Classifier.load`.
    """
    if not isinstance(model, Model):
        return kind.load(_place(model), precision=_precision(dtype), device=_device(device), revision=revision)
    if not isinstance(model, kind):
        raise InputError(f"model: this task takes a bundle or {kind.__name__}.load(…), got {type(model).__name__}.")
    for name, value in (("device", device), ("dtype", dtype), ("revision", revision)):
        if value is not None:
            raise InputError(
                f"{name}: the model is loaded already, got {shown(value)}. Pass it to {kind.__name__}.load."
            )
    return model


def _place(model: object) -> str | os.PathLike[str]:
    if isinstance(model, (str, os.PathLike)):
        return model
    raise InputError(f"model: expected a bundle or a loaded model, got {type(model).__name__}.")


def _device(device: Any) -> Device:
    """The device by our name: transformers counts GPUs from 0, and means the CPU by a number below."""
    if device is None:
        return "cpu"
    if isinstance(device, int) and not isinstance(device, bool):
        name = "cpu" if device < 0 else f"cuda:{device}"
    else:
        name = str(device)  # a torch.device too
    if name == "cpu":
        return "cpu"
    if name in ("cuda", "cuda:0"):
        return "cuda"
    raise InputError(
        f"device: expected -1 or 'cpu', 0 or 'cuda', got {shown(device)}. Choose among GPUs with CUDA_VISIBLE_DEVICES."
    )


def _precision(dtype: Any) -> str:
    name = str(dtype).removeprefix("torch.")
    if name in ("None", "auto"):
        return "auto"
    if name in ("float32", "float16"):
        return f"fp{name[-2:]}"
    raise InputError(
        f"dtype: expected 'auto', 'float32' or 'float16', got {shown(dtype)}. For int8 pass "
        "Classifier.load(path, precision='int8')."
    )
