"""transformers on PyTorch: eager with fused attention (the reference), compiled, in dynamic int8, and in fp16."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

from .contender import CPU_BATCH_SIZES, Floats, LoadedContender, Setup
from .hf_checkpoint import label_names, tokenizer, without_padding

_GPU_BATCH_SIZES = (32, 128, 512)


def load_eager(setup: Setup) -> LoadedContender:
    """The reference that all others are compared with."""
    model = _model(setup)
    return _loaded(setup, model, model)


def load_compiled(setup: Setup) -> LoadedContender:
    """torch.compile with dynamic shapes, because one compilation for each length of text would take minutes."""
    import torch

    model = _model(setup)
    return _loaded(setup, model, torch.compile(model, dynamic=True))


def load_fp16(setup: Setup) -> LoadedContender:
    """Eager, in float16."""
    model = _model(setup).half()
    return _loaded(setup, model, model)


def load_compiled_fp16(setup: Setup) -> LoadedContender:
    """Compiled in float16, with fused kernels that run as CUDA graphs."""
    import torch

    model = _model(setup).half()
    return _loaded(setup, model, torch.compile(model, mode="reduce-overhead", dynamic=True))


def load_int8(setup: Setup) -> LoadedContender:
    """Every linear layer in dynamic int8."""
    model = _model(setup)
    return _loaded(setup, model, _quantised(model))


def load_tagger(setup: Setup) -> LoadedContender:
    """The reference of taggers: eager, in fp32."""
    return _loaded_tagger(setup, _model(setup, "AutoModelForTokenClassification"))


def load_int8_tagger(setup: Setup) -> LoadedContender:
    """A tagger with every linear layer in dynamic int8."""
    return _loaded_tagger(setup, _quantised(_model(setup, "AutoModelForTokenClassification")))


def limit_threads(setup: Setup) -> None:
    """Let PyTorch use the setup's number of threads, and no more."""
    import torch

    torch.set_num_threads(setup.threads)
    torch.set_num_interop_threads(1)


def _quantised(model: Any) -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao is deprecated in favour of torchao, but widely used
        return torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


def _model(setup: Setup, kind: str = "AutoModelForSequenceClassification") -> Any:
    import torch
    import transformers

    limit_threads(setup)
    # Attention is sdpa, transformers' default, for every architecture that has it.
    model = getattr(transformers, kind).from_pretrained(setup.checkpoint, local_files_only=True, dtype=torch.float32)
    return model.to(setup.device).eval()


def _loaded(setup: Setup, original: Any, model: Any) -> LoadedContender:
    run = _forward(setup, original, model)
    sizes = CPU_BATCH_SIZES if setup.device == "cpu" else _GPU_BATCH_SIZES
    return LoadedContender.batched(lambda texts: run(texts)[0], label_names(setup), sizes)


def _loaded_tagger(setup: Setup, model: Any) -> LoadedContender:
    run = _forward(setup, model, model)

    def logits(texts: list[str]) -> list[Floats]:
        found, mask = run(texts)
        return without_padding(found, mask.numpy())

    return LoadedContender.tagging(logits)


def _forward(setup: Setup, original: Any, model: Any) -> Callable[[list[str]], tuple[Floats, Any]]:
    """From texts to logits, and to the tensor of their attention mask, which stays on the device."""
    import torch

    tokenize = tokenizer(setup)
    taken = inspect.signature(original.forward).parameters  # BERT's tokenizer answers more than DistilBERT takes

    def run(texts: list[str]) -> tuple[Floats, Any]:
        inputs = tokenize(texts, padding=True, truncation=True, return_tensors="pt").to(setup.device)
        with torch.inference_mode():
            found = model(**{name: tensor for name, tensor in inputs.items() if name in taken}).logits
        return found.float().cpu().numpy(), inputs["attention_mask"]

    return run
