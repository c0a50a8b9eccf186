"""PyTorch itself: eager with its fused attention (the reference), compiled, with dynamic int8, and on a GPU."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from . import Engine, Floats, Job, label_names


def load_eager(job: Job) -> Engine:
    """The reference that all others are compared with."""
    model = _model(job)
    return _engine(job, model, model)


def load_compiled(job: Job) -> Engine:
    """torch.compile with dynamic shapes: texts have many lengths, and one compilation each would take minutes."""
    import torch

    model = _model(job)
    return _engine(job, model, torch.compile(model, dynamic=True))


def load_fp16(job: Job) -> Engine:
    """Eager, in float16."""
    model = _model(job).half()
    return _engine(job, model, model)


def load_compiled_fp16(job: Job) -> Engine:
    """Compiled in float16, kernels fused and replayed as CUDA graphs."""
    import torch

    model = _model(job).half()
    return _engine(job, model, torch.compile(model, mode="reduce-overhead", dynamic=True))


def load_int8(job: Job) -> Engine:
    """Every linear layer in dynamic int8."""
    import torch

    model = _model(job)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao is deprecated in favour of torchao, and is what people use
        quantized = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    return _engine(job, model, quantized)


def _model(job: Job) -> Any:
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.set_num_threads(job.threads)
    torch.set_num_interop_threads(1)
    # Attention is sdpa wherever the architecture has it: transformers' default.
    model = AutoModelForSequenceClassification.from_pretrained(
        job.checkpoint, local_files_only=True, dtype=torch.float32
    )
    return model.to(job.device).eval()


def _engine(job: Job, original: Any, model: Any) -> Engine:
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.checkpoint, local_files_only=True)
    taken = inspect.signature(original.forward).parameters  # BERT's tokenizer has more to offer than DistilBERT takes

    def logits(texts: list[str]) -> Floats:
        inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt").to(job.device)
        with torch.inference_mode():
            found = model(**{name: tensor for name, tensor in inputs.items() if name in taken}).logits
        answer: Floats = found.float().cpu().numpy()
        return answer

    sizes = (1, 8, 32) if job.device == "cpu" else (32, 128, 512)
    return Engine.batched(logits, label_names(original.config), sizes)
