"""Hugging Face Optimum's ORTModel, in fp32 and in its dynamic int8 for AVX2."""

from __future__ import annotations

from pathlib import Path

from . import Engine, Floats, Job, label_names
from .onnx_graph import plain_graph, session_options


def load_fp32(job: Job) -> Engine:
    """The graph as exported."""
    return _engine(job, plain_graph(job))


def load_int8(job: Job) -> Engine:
    """Quantised with `AutoQuantizationConfig.avx2`, the preset that suits every x86 machine."""
    from optimum.onnxruntime import ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig

    graph = plain_graph(job)
    folder = job.work / "optimum-int8"
    if not (folder / "model_quantized.onnx").exists():
        quantizer = ORTQuantizer.from_pretrained(graph.parent)
        quantizer.quantize(AutoQuantizationConfig.avx2(is_static=False, per_channel=False), save_dir=folder)
    return _engine(job, folder / "model_quantized.onnx")


def _engine(job: Job, graph: Path) -> Engine:
    from optimum.onnxruntime import ORTModelForSequenceClassification
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.checkpoint, local_files_only=True)
    model = ORTModelForSequenceClassification.from_pretrained(
        graph.parent, file_name=graph.name, session_options=session_options(job), local_files_only=True
    )

    def logits(texts: list[str]) -> Floats:
        answer: Floats = model(**tokenizer(texts, padding=True, truncation=True, return_tensors="np")).logits
        return answer

    return Engine.batched(logits, label_names(model.config))
