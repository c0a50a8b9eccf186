"""ONNX Runtime after its own transformer optimizer, in fp32 and in dynamic int8 (QAttention)."""

from __future__ import annotations

from pathlib import Path

from torchless_bench.machine import instruction_sets

from . import Engine, Job
from .onnx_graph import plain_graph, session_engine


def load_fp32(job: Job) -> Engine:
    """Attention, layer norm and Gelu fused."""
    return session_engine(job, _fused(job))


def load_int8(job: Job) -> Engine:
    """The fused graph in dynamic int8; 7-bit weights where 8-bit ones would saturate (no VNNI)."""
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = job.work / "fused-int8.onnx"
    if not path.exists():
        narrow = not {"avx512_vnni", "avx_vnni"} & set(instruction_sets())
        quantize_dynamic(
            _fused(job),
            path,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=narrow,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},  # shape inference does not know the fused nodes
        )
    return session_engine(job, path)


def _fused(job: Job) -> Path:
    path = job.work / "fused.onnx"
    if not path.exists():
        from onnxruntime.transformers.fusion_options import FusionOptions
        from onnxruntime.transformers.optimizer import optimize_model
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(job.checkpoint, local_files_only=True)
        model = optimize_model(
            str(plain_graph(job)),
            model_type="bert",
            num_heads=config.num_attention_heads,
            hidden_size=config.hidden_size,
            optimization_options=FusionOptions("bert"),
        )
        model.save_model_to_file(str(path))
    return path
