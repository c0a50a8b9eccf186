"""Hugging Face Optimum's ORTModel, in fp32 and in Optimum's dynamic int8 for AVX2."""

from __future__ import annotations

from pathlib import Path

from .contender import Floats, LoadedContender, Setup
from .converted import converted
from .hf_checkpoint import label_names, tokenizer, without_padding
from .onnx_graph import plain_graph, plain_tagger, session_options


def load_fp32(setup: Setup) -> LoadedContender:
    """The graph as exported."""
    return _loaded(setup, plain_graph(setup))


def load_int8(setup: Setup) -> LoadedContender:
    """Quantised with `AutoQuantizationConfig.avx2`, the preset that runs on every recent x86 CPU."""
    from optimum.onnxruntime import ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig

    def quantise(folder: Path) -> None:
        quantizer = ORTQuantizer.from_pretrained(plain_graph(setup).parent)
        quantizer.quantize(AutoQuantizationConfig.avx2(is_static=False, per_channel=False), save_dir=folder)

    return _loaded(setup, converted(setup, "optimum-int8", quantise) / "model_quantized.onnx")


def load_fp32_tagger(setup: Setup) -> LoadedContender:
    """A tagger's graph as exported."""
    from optimum.onnxruntime import ORTModelForTokenClassification

    tokenize, graph = tokenizer(setup), plain_tagger(setup)
    model = ORTModelForTokenClassification.from_pretrained(
        graph.parent, file_name=graph.name, session_options=session_options(setup), local_files_only=True
    )

    def logits(texts: list[str]) -> list[Floats]:
        inputs = tokenize(texts, padding=True, truncation=True, return_tensors="np")
        return without_padding(model(**inputs).logits, inputs["attention_mask"])

    return LoadedContender.tagging(logits)


def _loaded(setup: Setup, graph: Path) -> LoadedContender:
    from optimum.onnxruntime import ORTModelForSequenceClassification

    tokenize = tokenizer(setup)
    model = ORTModelForSequenceClassification.from_pretrained(
        graph.parent, file_name=graph.name, session_options=session_options(setup), local_files_only=True
    )

    def logits(texts: list[str]) -> Floats:
        answer: Floats = model(**tokenize(texts, padding=True, truncation=True, return_tensors="np")).logits
        return answer

    return LoadedContender.batched(logits, label_names(setup))
