"""Hugging Face's text-embeddings-inference: /predict, /embed, /tokenize, /decode, /info; /rerank is in rerank.py.

Formats: router/src/http/types.rs at 0d124dc. An empty list is answered with an empty list (TEI: 400).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from torchless import __version__
from torchless.bundle.manifest import GraphKind
from torchless.errors import TorchlessError
from torchless.inputs.arguments import Text, TextPair
from torchless.serve.call import Call, check_dimensions, refuse_other_side
from torchless.serve.errors import InvalidError, NotReadyError, OverloadedError, TooLargeError, as_error, status_of
from torchless.serve.operation import Dialect, Operation, public_message
from torchless.serve.served_model import ServedModel

from .labels import Scored, rank
from .rerank import RERANK

# One text; [text]; [text, text pair]; or a batch of those, each in a list of its own.
Inputs = str | list[str | list[str]]
Direction = Literal["left", "right", "Left", "Right"]


class Error(msgspec.Struct):
    """What went wrong."""

    error: str
    error_type: Literal["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"]


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Texts to label."""

    inputs: Inputs
    truncate: bool | None = None
    truncation_direction: Direction | None = None
    raw_scores: bool = False


class EmbedRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Texts to embed. `encoding_format` is huggingface_hub's."""

    inputs: str | list[str]
    truncate: bool | None = None
    truncation_direction: Direction | None = None
    normalize: bool = True
    prompt_name: str | None = None
    dimensions: int | None = None
    encoding_format: Literal["float"] | None = None


class TokenizeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Texts to tokenise."""

    inputs: str | list[str]
    add_special_tokens: bool = True
    prompt_name: str | None = None


TokenId = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


class DecodeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Tokens to write as text: those of one text, or a list for each text."""

    ids: list[TokenId | list[TokenId]]
    skip_special_tokens: bool = True


class Token(msgspec.Struct):
    """A token; start and stop count characters and are null for special tokens."""

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


class Labels(msgspec.Struct):
    """Labels by index, and back."""

    id2label: dict[str, str]
    label2id: dict[str, int]


class Pooling(msgspec.Struct):
    """How an embedding is made."""

    pooling: str


class Kind(msgspec.Struct, omit_defaults=True):
    """What a model is: one of these."""

    classifier: Labels | None = None
    reranker: Labels | None = None
    token_classifier: Labels | None = None
    embedding: Pooling | None = None


class Model(msgspec.Struct):
    """One served model."""

    name: str
    kind: GraphKind
    labels: list[str]
    activation: str
    ranks: bool
    hidden_size: int
    max_tokens: int
    precision: str
    sha256: str


class Info(msgspec.Struct):
    """The first model and the limits, as TEI reports them, and all models."""

    model_id: str
    model_sha: str | None
    model_dtype: str
    served_model_name: str
    model_type: Kind
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: int | None
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int
    version: str
    sha: str | None
    docker_label: str | None
    models: list[Model]


async def predict(call: Call, body: PredictRequest) -> list[Scored] | list[list[Scored]]:
    """All labels of every text, best first; a lone text is answered with a flat list."""
    model = call.model()
    refuse_other_side("truncation_direction", body.truncation_direction, model.manifest.truncation_side)
    texts, lone = _texts(body.inputs, pairs=model.manifest.pairs)
    answer = call.logits if body.raw_scores else call.scores
    rows = rank(model.manifest.labels, await answer(model, texts, truncate=body.truncate))
    return rows[0] if lone else rows


async def embed(call: Call, body: EmbedRequest) -> list[list[float]]:
    """One vector per text."""
    _refuse_prompt(body.prompt_name)
    model = call.model()
    refuse_other_side("truncation_direction", body.truncation_direction, model.manifest.truncation_side)
    check_dimensions(model, body.dimensions)
    vectors = await call.embeddings(model, body.inputs, unit_length=body.normalize, truncate=body.truncate)
    return [row.tolist() for row in vectors]


async def tokenize(call: Call, body: TokenizeRequest) -> list[list[Token]]:
    """The tokens of every text, not truncated."""
    _refuse_prompt(body.prompt_name)
    answers = await call.tokens(call.model(), body.inputs, special_tokens=body.add_special_tokens)
    return [[Token(*token) for token in tokens] for tokens in answers]


async def decode(call: Call, body: DecodeRequest) -> list[str]:
    """The text that each list of tokens stands for, as the tokenizer writes it."""
    lists = [each for each in body.ids if isinstance(each, list)]
    lone = [each for each in body.ids if not isinstance(each, list)]
    if lists and lone:
        raise InvalidError("ids: expected tokens alone or lists of tokens alone, got a mixture")
    ids = [lone] if lone else lists
    model, most = call.model(), call.service.settings.max_queue_tokens
    if (count := sum(map(len, ids))) > most:
        raise TooLargeError(f"ids: expected at most {most} tokens in a request, got {count}")
    tokenizer = model.tokenizer.parts
    largest = max((token for tokens in ids for token in tokens), default=None)
    if largest is not None and tokenizer.id_to_token(largest) is None:
        raise InvalidError(f"ids: there is no token {largest} in the model's vocabulary")
    try:  # in one call, which lets other threads run meanwhile; that for a single list does not
        texts: list[str] = tokenizer.decode_batch(ids, skip_special_tokens=body.skip_special_tokens)
    except BaseException as problem:  # a panic in Rust too
        raise as_error(problem) from None
    call.hold_texts(texts)
    return texts


async def info(call: Call, _body: None) -> Info:
    """What is served, and within which limits."""
    service, model = call.service, call.model()
    manifest, settings = model.manifest, call.service.settings
    return Info(
        model_id=manifest.source.name,
        model_sha=manifest.source.revision,
        model_dtype=model.precision,
        served_model_name=model.name,
        model_type=_kind(model),
        max_concurrent_requests=settings.max_queue_tokens // 2,  # no text has fewer tokens than two
        max_input_length=manifest.max_tokens,
        max_batch_tokens=settings.budget_tokens,
        max_batch_requests=None,
        max_client_batch_size=settings.max_batch_texts,
        auto_truncate=True,
        tokenization_workers=1,
        version=__version__,
        sha=None,
        docker_label=None,
        models=[
            Model(
                name=each.name,
                kind=each.manifest.kind,
                labels=list(each.manifest.labels),
                activation=each.manifest.activation,
                ranks=each.manifest.ranks,
                hidden_size=each.manifest.hidden_size,
                max_tokens=each.manifest.max_tokens,
                precision=each.precision,
                sha256=each.digest,
            )
            for each in service.models.values()
        ],
    )


def _kind(model: ServedModel) -> Kind:
    labels = model.manifest.labels
    if not labels:
        return Kind(embedding=Pooling(model.pooling))
    names = {str(index): label for index, label in enumerate(labels)}
    known = Labels(names, {label: index for index, label in enumerate(labels)})
    if model.manifest.kind == "token_classifier":
        return Kind(token_classifier=known)
    return Kind(reranker=known) if model.manifest.ranks else Kind(classifier=known)


def error(problem: TorchlessError) -> Error:
    """An error as TEI's clients read it."""
    status = status_of(problem)
    if isinstance(problem, OverloadedError):
        return Error(public_message(problem), "Overloaded")
    if isinstance(problem, NotReadyError) or status == 503:
        return Error(public_message(problem), "Unhealthy")
    return Error(public_message(problem), "Backend" if status == 500 else "Validation")


def _texts(inputs: Inputs, *, pairs: bool) -> tuple[list[Text], bool]:
    """The texts, and whether the client sent one alone. A flat list of two is one pair of texts in TEI."""
    if isinstance(inputs, str):
        return [inputs], True
    texts: list[Text] = []
    nested = [item for item in inputs if not isinstance(item, str)]
    if nested and len(nested) != len(inputs):
        raise InvalidError("inputs: expected texts alone or lists alone, got a mixture")
    if not nested and len(inputs) > 2:
        raise InvalidError(f'inputs: a flat list is one text or one pair here, got {len(inputs)}; send [["a"], ["b"]]')
    for item in nested or ([[str(text) for text in inputs]] if inputs else []):
        if len(item) == 2 and not pairs:
            raise InvalidError(
                'inputs: ["a", "b"] is a pair of texts, which this model does not take; send [["a"], ["b"]]'
            )
        if len(item) not in (1, 2):
            raise InvalidError(f"inputs: expected one text or a pair in each inner list, got {len(item)}")
        texts.append(item[0] if len(item) == 1 else TextPair(*item))
    return texts, bool(inputs) and not nested


def _refuse_prompt(name: str | None) -> None:
    if name is not None:
        raise InvalidError("prompt_name: this server has no prompts; send the text with its prompt in front")


TEI = Dialect(
    "text-embeddings-inference",
    "The paths and bodies of Hugging Face's text-embeddings-inference.",
    (
        Operation("POST", "/predict", predict, "Label texts", PredictRequest, (list[Scored], list[list[Scored]])),
        RERANK,
        Operation("POST", "/embed", embed, "Embed texts", EmbedRequest, list[list[float]]),
        Operation(
            "POST", "/tokenize", tokenize, "Tokenise texts", TokenizeRequest, list[list[Token]], small_bytes=1024
        ),
        Operation("POST", "/decode", decode, "Tokens to texts", DecodeRequest, list[str], small_bytes=1024),
        Operation("GET", "/info", info, "Models and limits", None, Info),
    ),
    error,
    Error,
)
