"""CTranslate2: it runs the encoder and leaves the head to its user, here in numpy."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import numpy as np

from . import Engine, Floats, Job, label_names


def load_fp32(job: Job) -> Engine:
    """Weights and arithmetic in fp32."""
    return _load(job, "float32")


def load_int8(job: Job) -> Engine:
    """Weights in int8, activations quantised on the fly."""
    return _load(job, "int8")


def _load(job: Job, kind: str) -> Engine:
    import ctranslate2
    from transformers import AutoConfig, AutoTokenizer

    folder = job.work / f"ctranslate2-{kind}"
    if not folder.exists():
        unfinished = job.work / f"ctranslate2-{kind}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        ctranslate2.converters.TransformersConverter(str(job.checkpoint)).convert(str(unfinished), quantization=kind)
        unfinished.rename(folder)
    encoder = ctranslate2.Encoder(str(folder), compute_type=kind, intra_threads=job.threads)
    tokenizer = AutoTokenizer.from_pretrained(job.checkpoint, local_files_only=True)
    head = _distilbert_head(job)

    def logits(texts: list[str]) -> Floats:
        states = encoder.forward_batch(tokenizer(texts, truncation=True)["input_ids"]).last_hidden_state
        return head(np.asarray(states)[:, 0])

    return Engine.batched(logits, label_names(AutoConfig.from_pretrained(job.checkpoint, local_files_only=True)))


def _distilbert_head(job: Job) -> Callable[[Floats], Floats]:
    """(texts, dim) of first tokens to (texts, labels). A KeyError, reported as a failure, for other architectures."""
    from torchless_export.checkpoint import Checkpoint

    weights = Checkpoint.open(str(job.checkpoint)).weights()
    dense, dense_bias = weights["pre_classifier.weight"].T.copy(), weights["pre_classifier.bias"]
    out, out_bias = weights["classifier.weight"].T.copy(), weights["classifier.bias"]

    def head(first: Floats) -> Floats:
        hidden = np.maximum(first @ dense + dense_bias, 0)
        answer: Floats = hidden @ out + out_bias
        return answer

    return head
