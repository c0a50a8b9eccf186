"""ONNX Runtime with a graph that its own transformer optimizer rewrote, in fp32 and in dynamic int8 (QAttention)."""

from __future__ import annotations

from pathlib import Path

from torchless_bench.hardware_and_versions import instruction_sets

from .contender import LoadedContender, Setup
from .converted import converted
from .onnx_graph import plain_graph, session_contender

_FILE = "model.onnx"


def load_fp32(setup: Setup) -> LoadedContender:
    """Attention, layer norm and GELU fused."""
    return session_contender(setup, _fused(setup))


def load_int8(setup: Setup) -> LoadedContender:
    """The fused graph in dynamic int8; weights have 7 bits on CPUs without VNNI, where 8 bits would saturate."""
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    narrow = not {"avx512_vnni", "avx_vnni"} & set(instruction_sets(setup.isa))

    def quantise(folder: Path) -> None:
        folder.mkdir()
        quantize_dynamic(
            _fused(setup),
            folder / _FILE,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=narrow,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},  # shape inference does not know the fused nodes
        )

    return session_contender(setup, converted(setup, "fused-int7" if narrow else "fused-int8", quantise) / _FILE)


def _fused(setup: Setup) -> Path:
    def fuse(folder: Path) -> None:
        from onnxruntime.transformers.fusion_options import FusionOptions
        from onnxruntime.transformers.optimizer import optimize_model
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(setup.checkpoint, local_files_only=True)
        model = optimize_model(
            str(plain_graph(setup)),
            model_type="bert",
            num_heads=config.num_attention_heads,
            hidden_size=config.hidden_size,
            optimization_options=FusionOptions("bert"),
        )
        folder.mkdir()
        model.save_model_to_file(str(folder / _FILE))

    return converted(setup, "fused", fuse) / _FILE
