"""Does the fp32 bundle answer as PyTorch does? Both side by side on real text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from torchless import Bundle, Encoder
from torchless.answers.numerics import cosines
from torchless.inputs.arguments import Text

from .errors import ParityError
from .heads import with_head
from .longest_text import longest_text
from .reference import Reference
from .reports import ParityReport
from .samples import of_many_lengths, pairs_of_many_lengths, spread
from .token_ids import first_difference
from .tokenizer_texts import odd, of_vocabulary

Compared = tuple[NDArray[np.float32], NDArray[np.float32]]  # ours, PyTorch's
_BATCH_TEXTS = 8
_MORE = 32  # texts
_LARGE = 10  # root mean square of states or logits from which on float32's rounding alone can exceed the gate


def check_parity(
    bundle: Bundle, reference: Reference, max_difference: float, more: Sequence[Text] = ()
) -> ParityReport:
    """Compare the fp32 variant of a bundle with PyTorch, on texts and, where it reads them, on pairs.

    Args:
        bundle: ours.
        reference: PyTorch's.
        max_difference: the gate.
        more: texts of the model's own kind; a model that answers for every token is compared on some of them and on
            odd ones too.

    Raises:
        ParityError: it does not answer as PyTorch does; the error carries the report.
    """
    manifest = bundle.manifest
    difference = first_difference(bundle, reference)
    readable = _readable(reference, manifest.max_tokens)
    texts: list[Text] = list(readable)
    if reference.kind == "token_classifier":
        texts += _with_tokens(reference, [*odd(), *spread([text for text in more if isinstance(text, str)], _MORE)])
    long: list[Text] = list(longest_text(reference, readable, manifest.max_tokens))
    pairs: list[Text] = list(pairs_of_many_lengths(manifest.max_tokens)) if manifest.pairs else []
    kinds = [kind for kind in (texts, long, pairs) if kind]  # the longest is alone in its batch
    expected_ids = [row for kind in kinds for row in reference.input_ids(kind)]
    batch = bundle.tokenizer().encode([text for kind in kinds for text in kind])
    ids_equal = [row.tolist() for row in np.split(batch.input_ids, batch.offsets[1:-1])] == expected_ids
    ids_equal = ids_equal and difference is None
    hidden, logits = _answers(bundle, reference, kinds if ids_equal else [])
    report = ParityReport(
        texts=len(expected_ids),
        pairs=len(pairs),
        shortest_tokens=int(batch.lengths.min()),
        longest_tokens=int(batch.lengths.max()),
        token_ids_equal=ids_equal,
        max_hidden_difference=_max_difference(hidden, _size),
        max_logit_difference=_max_difference(logits),
        min_embedding_cosine=_min_cosine(hidden),
        against=_versions(),
    )
    if report.findings(max_difference) and any(_size(expected) > _LARGE for _, expected in [*hidden, *logits]):
        rounded, rounded_logits = _rounding(reference, kinds)
        report = replace(
            report,
            hidden_rounding=_max_difference(rounded, _size),
            logit_rounding=_max_difference(rounded_logits),
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
    return [text for text, row in zip(texts, ids, strict=True) if row]


def _with_tokens(reference: Reference, texts: Sequence[str]) -> list[str]:
    """Those that have tokens: without them PyTorch has no answer."""
    return [text for text, row in zip(texts, reference.input_ids(texts), strict=True) if row]


def _answers(
    bundle: Bundle, reference: Reference, kinds: Sequence[Sequence[Text]]
) -> tuple[list[Compared], list[Compared]]:
    """Hidden states and logits (none without a head) of each text, alone and in a batch, beside PyTorch's of it alone.

    Args:
        bundle: ours.
        reference: PyTorch's.
        kinds: single texts, the longest one, and pairs.
    """
    encoder = Encoder.load(bundle.path, precision="fp32")
    model = with_head(bundle.path, "fp32")
    # One after the other: threads that have run out of work spin for a while, and slow whatever runs next.
    run = [(texts, *reference.run(texts)) for texts in kinds]
    hidden: list[Compared] = []
    logits: list[Compared] = []
    for texts, states, answers in run:
        for group in _alone_and_batched(len(texts)):
            asked = texts[group]
            hidden += zip(encoder.hidden_states(asked), states[group], strict=True)
            if model and answers is not None:
                logits += zip(model.logits(asked), answers[group], strict=True)
    return hidden, logits


def _rounding(reference: Reference, kinds: Sequence[Sequence[Text]]) -> tuple[list[Compared], list[Compared]]:
    """PyTorch in float32 beside itself in float64: hidden states and logits (none without a head) of each text."""
    hidden: list[Compared] = []
    logits: list[Compared] = []
    for texts in kinds:
        (states, answers), (exact_states, exact_answers) = reference.run(texts), reference.run_exactly(texts)
        hidden += zip(states, exact_states, strict=True)
        if answers is not None and exact_answers is not None:
            logits += zip(answers, exact_answers, strict=True)
    return hidden, logits


def _alone_and_batched(count: int) -> list[slice]:
    sizes = (1, _BATCH_TEXTS) if count > 1 else (1,)
    return [slice(start, start + size) for size in sizes for start in range(0, count, size)]


def _size(states: NDArray[np.float32]) -> float:
    """Root mean square of a text's states or logits, and at least 1: float32 is as exact as its numbers are small."""
    return max(1.0, float(np.sqrt(np.square(states.astype(np.float64)).mean())))


def _max_difference(
    compared: Sequence[Compared], size: Callable[[NDArray[np.float32]], float] = lambda _: 1.0
) -> float | None:
    """Largest difference, in sizes of what PyTorch answers; infinite where even the shapes differ."""
    return max(
        (
            float(np.abs(ours - expected).max()) / size(expected) if ours.shape == expected.shape else math.inf
            for ours, expected in compared
        ),
        default=None,
    )


def _min_cosine(hidden: Sequence[Compared]) -> float | None:
    """Smallest cosine between the means of a text's hidden states, ours and PyTorch's."""
    if not hidden or any(ours.shape != expected.shape for ours, expected in hidden):
        return None
    ours, expected = (np.stack([states.mean(0) for states in each]) for each in zip(*hidden, strict=True))
    return float(cosines(ours, expected).min())


def _versions() -> str:
    import torch
    import transformers

    return f"torch {torch.__version__}, transformers {transformers.__version__}"
