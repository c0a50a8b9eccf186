"""CTranslate2: it runs the encoder only, so the head is written here, in numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from .contender import Floats, LoadedContender, Setup
from .converted import converted
from .hf_checkpoint import label_names, tokenizer


def load_fp32(setup: Setup) -> LoadedContender:
    """Weights and arithmetic in fp32."""
    return _load(setup, "float32")


def load_int8(setup: Setup) -> LoadedContender:
    """Weights in int8; activations are quantised during each call."""
    return _load(setup, "int8")


def _load(setup: Setup, kind: str) -> LoadedContender:
    import ctranslate2

    def convert(folder: Path) -> None:
        converter = ctranslate2.converters.TransformersConverter(str(setup.checkpoint))
        converter.convert(str(folder), quantization=kind)

    folder = converted(setup, f"ctranslate2-{kind}", convert)
    encoder = ctranslate2.Encoder(str(folder), compute_type=kind, intra_threads=setup.threads)
    tokenize, head = tokenizer(setup), _distilbert_head(setup)

    def logits(texts: list[str]) -> Floats:
        states = encoder.forward_batch(tokenize(texts, truncation=True)["input_ids"]).last_hidden_state
        return head(np.asarray(states)[:, 0])

    return LoadedContender.batched(logits, label_names(setup))


def _distilbert_head(setup: Setup) -> Callable[[Floats], Floats]:
    """The head: hidden states of first tokens, float32 (texts, hidden_size), to logits, float32 (texts, labels).

    Raises:
        KeyError: another architecture than DistilBERT; the report names it as a failure.
    """
    from torchless_export.checkpoint import Checkpoint

    weights = Checkpoint.open(str(setup.checkpoint)).weights()
    dense, dense_bias = weights["pre_classifier.weight"].T.copy(), weights["pre_classifier.bias"]
    out, out_bias = weights["classifier.weight"].T.copy(), weights["classifier.bias"]

    def head(first: Floats) -> Floats:
        hidden = np.maximum(first @ dense + dense_bias, 0)
        answer: Floats = hidden @ out + out_bias
        return answer

    return head
