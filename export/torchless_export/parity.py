"""Does the fp32 bundle answer as PyTorch does? Both side by side on real text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from torchless import Bundle, Classifier, Encoder
from torchless.inputs.arguments import Text
from torchless.numerics import cosines

from .errors import ParityError
from .reference import Reference
from .reports import ParityReport
from .samples import of_many_lengths, pairs_of_many_lengths
from .token_ids import first_difference
from .tokenizer_texts import of_vocabulary, spread

Compared = tuple[NDArray[np.float32], NDArray[np.float32]]  # ours, PyTorch's
_BATCH_TEXTS = 8


def check_parity(bundle: Bundle, reference: Reference, max_difference: float) -> ParityReport:
    """Compare the fp32 variant of a bundle with PyTorch, on texts and, where it reads them, on pairs.

    Raises:
        ParityError: it does not answer as PyTorch does; the error carries the report.
    """
    manifest = bundle.manifest
    difference = first_difference(bundle, reference)
    texts = _readable(reference, manifest.max_tokens)
    pairs = pairs_of_many_lengths(manifest.max_tokens) if manifest.pairs else []
    expected_ids = [*reference.input_ids(texts), *(reference.input_ids(pairs) if pairs else [])]
    batch = bundle.tokenizer().encode([*texts, *pairs])
    ids_equal = [row.tolist() for row in np.split(batch.input_ids, batch.offsets[1:-1])] == expected_ids
    ids_equal = ids_equal and difference is None
    groups: list[Sequence[Text]] = [*_alone_and_batched(texts), *_alone_and_batched(pairs)] if ids_equal else []
    hidden, logits = _answers(bundle, reference, groups)
    report = ParityReport(
        texts=len(texts) + len(pairs),
        pairs=len(pairs),
        shortest_tokens=int(batch.lengths.min()),
        longest_tokens=int(batch.lengths.max()),
        token_ids_equal=ids_equal,
        max_hidden_difference=_max_difference(hidden),
        max_logit_difference=_max_difference(logits),
        min_embedding_cosine=_min_cosine(hidden),
        against=_versions(),
    )
    if findings := report.findings(max_difference):
        raise ParityError(report, [f"token ids differ: {difference}"] if difference else findings)
    return report


def _readable(reference: Reference, max_tokens: int) -> list[str]:
    """Texts of many lengths that have tokens, from the vocabulary where the built-in sample has none of its words."""
    texts = of_many_lengths()
    ids = reference.input_ids(texts)
    if max(map(len, ids)) <= reference.tokenizer.num_special_tokens_to_add():
        texts = spread(list(of_vocabulary(reference.tokenizer, max_tokens)), len(texts))
        ids = reference.input_ids(texts)
    return [text for text, row in zip(texts, ids, strict=True) if row]  # PyTorch has no answer without tokens


def _answers(
    bundle: Bundle, reference: Reference, groups: Sequence[Sequence[Text]]
) -> tuple[list[Compared], list[Compared]]:
    """Hidden states per text, and logits per group (none without a head), ours beside PyTorch's."""
    encoder = Encoder.load(bundle.path, precision="fp32")
    head = bundle.manifest.variants["fp32"].classifier is not None
    classifier = Classifier.load(bundle.path, precision="fp32") if head else None
    # One after the other: threads that have run out of work spin for a while, and slow whatever runs next.
    run = [(group, *reference.run(group)) for group in groups]
    hidden = [pair for group, states, _ in run for pair in zip(encoder.hidden_states(group), states, strict=True)]
    logits = [(classifier.logits(g), expected) for g, _, expected in run if classifier and expected is not None]
    return hidden, logits


def _alone_and_batched(texts: Sequence[Text]) -> list[Sequence[Text]]:
    alone: list[Sequence[Text]] = [[text] for text in texts]
    return alone + [texts[start : start + _BATCH_TEXTS] for start in range(0, len(texts), _BATCH_TEXTS)]


def _max_difference(compared: Sequence[Compared]) -> float | None:
    return max((float(np.abs(ours - expected).max()) for ours, expected in compared), default=None)


def _min_cosine(hidden: Sequence[Compared]) -> float | None:
    """Smallest cosine between the means of a text's hidden states, ours and PyTorch's."""
    if not hidden:
        return None
    ours, expected = (np.stack([states.mean(0) for states in each]) for each in zip(*hidden, strict=True))
    return float(cosines(ours, expected).min())


def _versions() -> str:
    import torch
    import transformers

    return f"torch {torch.__version__}, transformers {transformers.__version__}"
