"""The golden answers of a bundle: what this machine says to a few texts, for `torchless verify` on another."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from torchless import Bundle, Encoder
from torchless.bundle.golden import MIN_COSINES
from torchless.bundle.manifest import Precision
from torchless.errors import InputError
from torchless.inputs.arguments import Text
from torchless.inputs.tokens import Tokenizer

from . import samples
from .heads import with_head

# How far another machine's logits may lie from the recorded ones. fp32 differs by rounding alone; in int8 a rounding
# difference can tip a value to the next of its 256 levels (docs/decisions/0004-int8.md), in fp16 sums have 11 bits.
_TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 0.02, "int8": 0.1}
_EMBEDDED_TEXTS = 12  # embeddings are what makes the file large, so they are kept for the first texts only


def golden_answers(bundle: Bundle) -> bytes:
    """golden.json for the variants of a bundle."""
    tokenizer = bundle.tokenizer()
    texts = [text for text in samples.golden(pairs=bundle.manifest.pairs) if _has_tokens(tokenizer, text)]
    texts = texts or _of_vocabulary(tokenizer)
    batch = tokenizer.encode(texts)
    golden = {
        "texts": [text if isinstance(text, str) else [text.first, text.second] for text in texts],
        "input_ids": [row.tolist() for row in np.split(batch.input_ids, batch.offsets[1:-1])],
        "variants": {name: _answers(bundle, name, texts) for name in bundle.manifest.variants},
    }
    return json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode()


def _of_vocabulary(tokenizer: Tokenizer) -> list[Text]:
    """Texts that have tokens where those of the sample have none."""
    entries = sorted(tokenizer.parts.get_vocab().values())
    words = [tokenizer.parts.decode([entry], skip_special_tokens=False) for entry in samples.spread(entries, 200)]
    return [word for word in words if _has_tokens(tokenizer, word)][:_EMBEDDED_TEXTS]


def _has_tokens(tokenizer: Tokenizer, text: Text) -> bool:
    """Without special tokens the empty text has none, and no answer."""
    try:
        tokenizer.encode([text])
    except InputError:
        return False
    return True


def _answers(bundle: Bundle, precision: Precision, texts: list[Text]) -> dict[str, Any]:
    answers: dict[str, Any] = {"tolerance": _TOLERANCE[precision], "min_cosine": MIN_COSINES[precision]}
    encoder = Encoder.load(bundle.path, precision=precision)
    embeddings = encoder.embed(texts[:_EMBEDDED_TEXTS], pooling="mean", normalize=True)
    answers["embeddings"] = _rounded(embeddings, digits=4)
    model = with_head(bundle.path, precision)
    if model is not None:
        logits = model.logits(texts)
        rows = logits if isinstance(logits, np.ndarray) else np.concatenate(logits)  # per text, or per token of all
        answers["logits"] = _rounded(rows, digits=6)
    return answers


def _rounded(array: Iterable[Iterable[float]], digits: int) -> list[list[float]]:
    return [[round(float(value), digits) for value in row] for row in array]
