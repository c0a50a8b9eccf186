"""What a variant of a tagger changes: tags, entities, and the F1 of entities."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from torchless import Bundle, TokenClassifier
from torchless.answers.numerics import softmax
from torchless.bundle.manifest import Precision
from torchless.inputs.text_tokens import TextTokens, text_tokens
from torchless.inputs.token_windows import Reading
from torchless.inputs.tokens import Tokenizer
from torchless_export.confidence import f1_drop_at_least
from torchless_export.quality import NEIGHBOUR_TEXTS, cosines_with_fp32, low_cosine, reference_logits, score_error
from torchless_export.reference import Reference
from torchless_export.samples import Sample
from torchless_export.spec import Floats

from .entities import OUTSIDE, Entity, Scheme, counts, f1, trimmed
from .files import Tagged
from .reports import TagAccuracy, TagQualityReport
from .words import first_tokens


def measure_quality(folder: Path, precision: Precision, sample: Sample, calibration: str | None) -> TagQualityReport:
    """Compare a variant of a tagger's bundle with its fp32 variant, over all tokens but the special ones."""
    texts = [str(text) for text in sample.texts]
    exact_tagger, tagger = (TokenClassifier.load(folder, precision=each) for each in ("fp32", precision))
    tokens, scheme = _tokens(tagger.tokenizer, texts), Scheme(tagger.labels)
    exact, logits = (_own(each.logits(texts), tokens) for each in (exact_tagger, tagger))
    before, after = (np.concatenate(each) for each in (exact, logits))  # (tokens, labels)
    words = sample if isinstance(sample, Tagged) else None
    entities = [_found(scheme, each, tokens, words) for each in (exact, logits)]
    either = sum(len(mine | other) for mine, other in zip(*entities, strict=True))
    one_alone = sum(len(mine ^ other) for mine, other in zip(*entities, strict=True))
    neighbours = texts[:NEIGHBOUR_TEXTS]
    alone = np.concatenate([tagger.logits([text])[0] for text in neighbours])
    together = np.concatenate(tagger.logits(neighbours))
    similar = cosines_with_fp32(folder, precision, texts)
    return TagQualityReport(
        calibration=calibration,
        texts=len(texts),
        compared_on=sample.name,
        disagreement=_share(int((before.argmax(axis=1) != after.argmax(axis=1)).sum()), len(before)),
        score_error=score_error(before, after, "softmax" if before.shape[1] > 1 else "none"),
        max_logit_difference=float(np.abs(before - after).max()),
        min_embedding_cosine=float(similar.min()),
        neighbour_texts=len(neighbours),
        neighbour_max_score_difference=float(np.abs(softmax(alone) - softmax(together)).max()),
        neighbour_labels_changed=int((alone.argmax(axis=1) != together.argmax(axis=1)).sum()),
        low_embedding_cosine=low_cosine(similar),
        tokens=len(before),
        entities=either,
        entity_disagreement=_share(one_alone, either),
    )


def measure_accuracy(
    folder: Path, reference: Reference, sample: Tagged, variants: Collection[Precision]
) -> TagAccuracy:
    """F1 of the entities that PyTorch and each precision of a bundle find in tagged texts."""
    bundle = Bundle.open(folder)
    tokens, scheme = _tokens(bundle.tokenizer(), sample.texts), Scheme(bundle.manifest.labels)
    right = [text.entities for text in sample.tagged]

    def counted(logits: Sequence[Floats]) -> np.ndarray:
        return counts(_found(scheme, _own(logits, tokens), tokens, sample), right)

    measured: list[Precision] = ["fp32", *variants]
    found = {
        name: counted(TokenClassifier.from_bundle(bundle, precision=name).logits(sample.texts)) for name in measured
    }
    expected = counted(reference_logits(reference, sample.texts))
    scores: Mapping[str, float] = {name: f1(each) for name, each in found.items()}
    return TagAccuracy(
        file=sample.name,
        texts=len(sample.texts),
        torch=f1(expected),
        fp32=scores["fp32"],
        fp16=scores.get("fp16"),
        int8=scores.get("int8"),
        drop_at_least={name: f1_drop_at_least(expected, found[name]) for name in variants},
        entities=sum(map(len, right)),
    )


def _tokens(tokenizer: Tokenizer, texts: Sequence[object]) -> list[TextTokens]:
    """The tokens of each text that the model reads, without the special ones."""
    reading = Reading.of(tokenizer, None, truncate=True)
    whole = text_tokens(tokenizer, [str(text) for text in texts])
    return [each.part(reading.windows(len(each.own))[0]) for each in whole]


def _own(logits: Sequence[Floats], tokens: Sequence[TextTokens]) -> list[Floats]:
    """The rows of each text's own tokens: float32 (tokens_i, labels)."""
    return [rows[each.own.start : each.own.stop] for rows, each in zip(logits, tokens, strict=True)]


def _found(
    scheme: Scheme, logits: Sequence[Floats], tokens: Sequence[TextTokens], sample: Tagged | None = None
) -> list[frozenset[Entity]]:
    """The entities of each text: over its words where these are known, else over its tokens."""
    words = [text.words for text in sample.tagged] if sample else [None] * len(tokens)
    found = []
    for rows, each, given in zip(logits, tokens, words, strict=True):
        tags = [scheme.labels[best] for best in rows.argmax(axis=1).tolist()]
        if given is None:
            # Some tokenizers count the blank before a word to its token.
            places = [trimmed(each.text, *place) for place in zip(each.starts, each.stops, strict=True)]
            found.append(scheme.entities(tags, places))
        else:
            first = first_tokens(given, each.starts)
            found.append(scheme.entities([OUTSIDE if token is None else tags[token] for token in first], given))
    return found


def _share(count: int, of: int) -> float:
    return count / of if of else 0.0
