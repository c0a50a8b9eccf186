"""OpenVINO, in fp32 and quantised by NNCF."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torchless_export.samples import built_in

from .contender import Floats, LoadedContender, Setup
from .converted import converted
from .hf_checkpoint import label_names, tokenizer
from .onnx_graph import plain_graph

_FILE = "model.xml"
_FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}


def load_fp32(setup: Setup) -> LoadedContender:
    """In true fp32: by default, OpenVINO uses bf16 on CPUs that have it."""
    _turn_off_telemetry()
    import openvino

    return _loaded(setup, openvino.convert_model(plain_graph(setup)), _FLOAT32)


def load_int8(setup: Setup) -> LoadedContender:
    """Static int8 by NNCF, calibrated as the Torchless bundle is. What stays in floats is bf16 on CPUs that have it."""
    return _quantised(setup, {})


def load_int8_float32(setup: Setup) -> LoadedContender:
    """The same with its floats in float32 on every CPU: slower, and as exact as NNCF's int8 can be."""
    return _quantised(setup, _FLOAT32)


def _quantised(setup: Setup, options: dict[str, str]) -> LoadedContender:
    _turn_off_telemetry()
    import nncf
    import openvino

    def quantise(folder: Path) -> None:
        model = openvino.convert_model(plain_graph(setup))
        encode, names = _encoder(setup), {port.any_name for port in model.inputs}
        texts = list(built_in()) if setup.calibration is None else _texts(setup.calibration)
        batches = [{name: array for name, array in encode([text]).items() if name in names} for text in texts]
        model = nncf.quantize(model, nncf.Dataset(batches), model_type=nncf.ModelType.TRANSFORMER)
        folder.mkdir()
        openvino.save_model(model, folder / _FILE, compress_to_fp16=False)

    path = converted(setup, "openvino-int8", quantise) / _FILE
    return _loaded(setup, openvino.Core().read_model(path), options)


def _texts(calibration: Path) -> list[Any]:
    """Each line's text, or its pair as the tokenizer of transformers takes it."""
    rows = [json.loads(line) for line in calibration.read_text(encoding="utf-8").splitlines()]
    return [(row["text"], row["pair"]) if "pair" in row else row["text"] for row in rows]


def _turn_off_telemetry() -> None:
    """No variable turns it off; without this package, OpenVINO and NNCF work and report nothing."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # importing it is an ImportError now


def _encoder(setup: Setup) -> Callable[[list[Any]], Any]:
    tokenize = tokenizer(setup)
    return lambda texts: tokenize(texts, padding=True, truncation=True, return_tensors="np")


def _loaded(setup: Setup, model: Any, options: dict[str, str]) -> LoadedContender:
    import openvino

    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": str(setup.threads), **options}
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    encode, names = _encoder(setup), [port.any_name for port in model.inputs]

    def logits(texts: list[str]) -> Floats:
        encoded = encode(texts)
        answer: Floats = request.infer({name: encoded[name] for name in names})[0].copy()
        return answer

    return LoadedContender.batched(logits, label_names(setup))
