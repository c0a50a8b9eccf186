"""OpenVINO, in fp32 and quantised by NNCF."""

from __future__ import annotations

from typing import Any

from torchless_export.samples import built_in

from . import Engine, Floats, Job, label_names
from .onnx_graph import plain_graph


def load_fp32(job: Job) -> Engine:
    """In true fp32: where the CPU has bf16, OpenVINO would take it unasked."""
    import openvino

    return _engine(job, openvino.convert_model(plain_graph(job)), {"INFERENCE_PRECISION_HINT": "f32"})


def load_int8(job: Job) -> Engine:
    """Static int8 by NNCF, calibrated on the same built-in sample as a Torchless bundle by default."""
    import nncf
    import openvino

    path = job.work / "openvino-int8.xml"
    if not path.exists():
        model = openvino.convert_model(plain_graph(job))
        encode, names = _tokenizer(job), {port.any_name for port in model.inputs}
        batches = [{name: array for name, array in encode([text]).items() if name in names} for text in built_in()]
        model = nncf.quantize(model, nncf.Dataset(batches), model_type=nncf.ModelType.TRANSFORMER)
        openvino.save_model(model, path, compress_to_fp16=False)
    return _engine(job, openvino.Core().read_model(path), {})


def _tokenizer(job: Job) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.checkpoint, local_files_only=True)
    return lambda texts: tokenizer(texts, padding=True, truncation=True, return_tensors="np")


def _engine(job: Job, model: Any, options: dict[str, str]) -> Engine:
    import openvino
    from transformers import AutoConfig

    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": str(job.threads), **options}
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    encode, names = _tokenizer(job), [port.any_name for port in model.inputs]

    def logits(texts: list[str]) -> Floats:
        encoded = encode(texts)
        answer: Floats = request.infer({name: encoded[name] for name in names})[0].copy()
        return answer

    return Engine.batched(logits, label_names(AutoConfig.from_pretrained(job.checkpoint, local_files_only=True)))
