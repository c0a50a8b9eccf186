"""Labels that come with the request, scored by a bundle for natural language inference (NLI): POST /zero-shot.

`score_labels` also answers Hugging Face's dialect, which asks for the same with `candidate_labels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter
from typing import Annotated

import msgspec

from torchless.answers.numerics import Floats
from torchless.inputs.arguments import NliPair
from torchless.serve.call import Call
from torchless.serve.errors import InvalidError, TooLargeError
from torchless.serve.operation import Operation
from torchless.serve.served_model import ServedModel
from torchless.zero_shot import TEMPLATE, entailment_index, fill, label_scores

from .labels import Scored, rank

_MOST_BRACES = 100  # of a kind in a template: for each, reading it makes an object

Labels = Annotated[list[Annotated[str, msgspec.Meta(pattern=r"\S")]], msgspec.Meta(min_length=1)]


class ZeroShotRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Texts to label with labels of your own. `multi_label`: any number of them may be right, each by itself."""

    inputs: str | list[str]
    candidate_labels: Labels
    hypothesis_template: str = TEMPLATE
    multi_label: bool = False
    model: str | None = None
    truncate: bool | None = None


async def zero_shot(call: Call, body: ZeroShotRequest) -> list[Scored] | list[list[Scored]]:
    """The labels of every text, best first; a lone text is answered with a flat list."""
    model = call.model(body.model)
    scores = await score_labels(
        call, model, body.inputs, body.candidate_labels, body.hypothesis_template, body.multi_label, body.truncate
    )
    rows = rank(body.candidate_labels, scores)
    return rows[0] if isinstance(body.inputs, str) else rows


async def score_labels(
    call: Call,
    model: ServedModel,
    inputs: str | Sequence[str],
    labels: Sequence[str],
    template: str = TEMPLATE,
    multi_label: bool = False,
    truncate: bool | None = None,
) -> Floats:
    """Every label's score for every text, as transformers' zero-shot-classification pipeline has them.

    Returns:
        float32 (texts, labels). Where `multi_label` is false and there are several labels, a text's scores sum to 1.

    Raises:
        InvalidError: the bundle is not one for NLI, or the template has no plain {}.
        TooLargeError: more pairs of text and label than a request may hold, or more characters in the template or in
            all hypotheses.
        InputError: a hypothesis leaves no room for its text.
        RequestError, InferenceError: as `Call.logits`.
    """
    entailment = _entailment(model)
    texts = [inputs] if isinstance(inputs, str) else inputs
    settings = call.service.settings
    if (pairs := len(texts) * len(labels)) > (most := settings.max_batch_texts):
        raise TooLargeError(f"expected at most {most} pairs of text and label in a request, got {pairs}")
    if len(template) > settings.max_text_characters:
        raise TooLargeError(f"expected a hypothesis_template of at most {settings.max_text_characters} characters")
    places = _places(template)
    if len(labels) * len(template) + places * sum(map(len, labels)) > settings.max_body_bytes:
        raise TooLargeError(f"expected hypotheses of at most {settings.max_body_bytes} characters together")
    hypotheses = fill(template, labels)
    call.queued_per_text = len(labels)
    queued = [NliPair(text, hypothesis) for text in texts for hypothesis in hypotheses]
    logits = await call.logits(model, queued, truncate=truncate)
    shape = len(texts), len(labels), len(model.manifest.labels)
    return label_scores(logits.reshape(shape), entailment, multi_label=multi_label)


def _entailment(model: ServedModel) -> int:
    labels = model.manifest.labels
    found = entailment_index(labels)
    if found is None or len(labels) < 2 or not model.manifest.pairs or model.classifier is None:
        raise InvalidError(
            f"candidate_labels: {model.name} is not a model for natural language inference, which reads pairs of texts "
            "and has a label that begins with 'entail'"
        )
    return found


def _places(template: str) -> int:
    """How often a template names its label. Widths and attributes, which `str.format` knows too, are refused."""
    if (braces := max(map(template.count, "{}"))) > _MOST_BRACES:
        raise InvalidError(
            f"hypothesis_template: expected a sentence with {{}} where the label goes, got {braces} braces"
        )
    try:
        fields = [(name, rest) for _, name, *rest in Formatter().parse(template) if name is not None]
    except ValueError:
        fields = []
    names = [name for name, rest in fields if not any(rest)]
    if not fields or len(names) < len(fields) or names.count("") > 1 or set(names) not in ({""}, {"0"}):
        raise InvalidError("hypothesis_template: expected a sentence with {} where the label goes")
    return len(names)


ZERO_SHOT = Operation(
    "POST",
    "/zero-shot",
    zero_shot,
    "Label texts with your own labels",
    ZeroShotRequest,
    (list[Scored], list[list[Scored]]),
)
