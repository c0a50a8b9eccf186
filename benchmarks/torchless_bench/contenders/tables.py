"""All contenders. The first of each table is the reference, which all others are compared with."""

from __future__ import annotations

from .contender import Contender

_HERE = __package__
CLASSIFIERS = (
    Contender("torch-eager", "PyTorch eager", "exact", f"{_HERE}.pytorch:load_eager"),
    Contender("torch-compile", "torch.compile", "exact", f"{_HERE}.pytorch:load_compiled", quick=False, limited=False),
    Contender("torch-int8", "PyTorch dynamic int8", "int8", f"{_HERE}.pytorch:load_int8"),
    Contender("pipeline", "transformers pipeline", "exact", f"{_HERE}.pipeline:load"),
    Contender("optimum", "Optimum ORT fp32", "exact", f"{_HERE}.optimum:load_fp32", quick=False),
    Contender("optimum-int8", "Optimum ORT int8 (avx2)", "int8", f"{_HERE}.optimum:load_int8", quick=False),
    Contender("ort-fused", "ORT fused fp32", "exact", f"{_HERE}.ort_fused:load_fp32"),
    Contender("ort-fused-int8", "ORT fused int8 (QAttention)", "int8", f"{_HERE}.ort_fused:load_int8"),
    Contender("openvino", "OpenVINO fp32", "exact", f"{_HERE}.openvino:load_fp32"),
    Contender("openvino-int8", "OpenVINO int8 (NNCF)", "int8", f"{_HERE}.openvino:load_int8", quick=False),
    Contender(
        "openvino-int8-f32", "OpenVINO int8 (NNCF, f32)", "int8", f"{_HERE}.openvino:load_int8_float32", quick=False
    ),
    Contender("ctranslate2", "CTranslate2 fp32", "exact", f"{_HERE}.ctranslate2:load_fp32", quick=False),
    Contender("ctranslate2-int8", "CTranslate2 int8", "int8", f"{_HERE}.ctranslate2:load_int8"),
    Contender("torchless-fp32", "Torchless fp32", "exact", f"{_HERE}.torchless:load_fp32"),
    Contender("torchless-int8", "Torchless int8", "int8", f"{_HERE}.torchless:load_int8"),
)
RERANKERS = (
    CLASSIFIERS[0],
    Contender("cross-encoder", "sentence-transformers", "exact", f"{_HERE}.sentence_transformers:load_cross_encoder"),
    *CLASSIFIERS[1:],
)
TAGGERS = (
    Contender("torch-eager", "PyTorch eager", "exact", f"{_HERE}.pytorch:load_tagger"),
    Contender("torch-int8", "PyTorch dynamic int8", "int8", f"{_HERE}.pytorch:load_int8_tagger"),
    Contender("pipeline", "transformers pipeline", "exact", f"{_HERE}.pipeline:load_tagger"),
    Contender("optimum", "Optimum ORT fp32", "exact", f"{_HERE}.optimum:load_fp32_tagger", quick=False),
    Contender("torchless-fp32", "Torchless fp32", "exact", f"{_HERE}.torchless:load_fp32_tagger"),
    Contender("torchless-int8", "Torchless int8", "int8", f"{_HERE}.torchless:load_int8_tagger"),
)
# What the table of int8 compares: how exact each is, so OpenVINO computes in float32 what NNCF leaves in floats.
_INT8 = ("torch-eager", "torchless-int8", "openvino-int8-f32", "ort-fused-int8", "optimum-int8", "torch-int8")
INT8_CLASSIFIERS = tuple(each for name in _INT8 for each in CLASSIFIERS if each.name == name)
GPU_CLASSIFIERS = (
    Contender("torch-eager", "PyTorch eager fp32", "exact", f"{_HERE}.pytorch:load_eager"),
    Contender("torch-fp16", "PyTorch eager fp16", "fp16", f"{_HERE}.pytorch:load_fp16"),
    Contender("torch-compile-fp16", "torch.compile fp16", "fp16", f"{_HERE}.pytorch:load_compiled_fp16", quick=False),
    Contender("torchless-fp32", "Torchless fp32", "exact", f"{_HERE}.torchless:load_fp32"),
    Contender("torchless-fp16", "Torchless fp16", "fp16", f"{_HERE}.torchless:load_fp16"),
)
ENCODERS = (
    Contender("sentence-transformers", "sentence-transformers", "exact", f"{_HERE}.sentence_transformers:load"),
    Contender("fastembed", "fastembed", "exact", f"{_HERE}.fastembed:load"),
    Contender("torchless-fp32", "Torchless fp32", "exact", f"{_HERE}.torchless:load_fp32_encoder"),
    Contender("torchless-int8", "Torchless int8", "int8", f"{_HERE}.torchless:load_int8_encoder"),
)
