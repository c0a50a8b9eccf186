"""A bundle that is being served: verified, warm, both of its graphs over one set of weights."""

from __future__ import annotations

import os
from copy import copy
from pathlib import Path
from typing import Any, Literal, TypeVar

from torchless.answers.numerics import Floats
from torchless.bundle.bundle import Bundle
from torchless.bundle.golden import Golden
from torchless.bundle.manifest import GOLDEN, TOKENIZER, Manifest, Pooling
from torchless.classifier import Classifier
from torchless.encoder import Encoder
from torchless.errors import IncompatibleError, InferenceError
from torchless.inputs.normalizer_growth import MOST_INSERTED, inserted
from torchless.inputs.tokens import Batch, Tokenizer
from torchless.model import Device, Model
from torchless.shipping.verify import verify_bundle
from torchless.token_classifier import TokenClassifier

from .errors import InvalidError
from .logs import log_error
from .settings import Settings
from .token_bound import TokenBound

_BYTES_PER_NUMBER, _BYTES_AROUND_A_LABEL, _BYTES_AROUND_A_SPAN = 24, 48, 144  # in JSON
_BYTES_OF_TWO_LOGITS = 8  # as the model answers them, and as scores

M = TypeVar("M", bound=Model)
Task = Literal["scores", "logits", "embeddings", "tags"]


class ServedModel:
    """One model, ready to answer from any number of threads.

    Attributes:
        name: what requests call it.
        path: the bundle's folder; of a bundle on the Hub, that of the commit that was loaded.
        encoder: the graph without the head.
        classifier: the graph with a head for texts; None in a bundle without one.
        tagger: the graph with a head for tokens; None in a bundle without one.
        lone: a second session of the classifier, the tagger, or the encoder of a bundle without a head, with more
            threads, for batches that run alone; None without one.
        manifest: the bundle's contract.
        digest: sha256 of the manifest, which vouches for every other file.
        tokenizer: texts to tokens, for both graphs.
        token_bound: how many tokens a text can have.
        precision: the variant that runs.
        device: where it runs.
        padded: whether its graphs take padded tokens.
        budget: how large a batch should be at most.
        pooling: how token states become an embedding.
        answer_bytes: most bytes of JSON that the answer to one text takes, by task.
        columns: numbers in the answer to one text, by task: labels, or the hidden size. A bundle without a head has
            "embeddings" alone. The answer of "tags" has so many bytes and numbers for each token.
    """

    def __init__(self, name: str, source: str | os.PathLike[str], settings: Settings) -> None:
        """Load both graphs of a bundle, verify it, and run each graph once.

        Raises:
            BundleNotFoundError, ManifestError, IntegrityError, IncompatibleError, DeviceError, VerificationError.
        """
        bundle = Bundle.open(source)
        self.name = name
        self.path = bundle.path
        self.device: Device = "cuda" if settings.device == "cuda" else "cpu"
        how: Any = {"precision": settings.precision, "device": self.device, "threads": settings.threads}
        self.encoder = encoder = Encoder.from_bundle(bundle, **how)
        self.classifier: Classifier | None = None
        self.tagger: TokenClassifier | None = None
        self.manifest: Manifest = encoder.manifest
        self.digest = bundle.digest
        self.precision = encoder.precision
        self.tokenizer = encoder.tokenizer
        self.token_bound = TokenBound(self.tokenizer)
        _refuse_growth(self.tokenizer, bundle.path)
        verify_bundle(bundle)  # from here on the tokenizer reads texts
        self.padded, self.budget = encoder.session.padded, encoder.session.budget
        pooling = self.manifest.pooling if settings.pooling == "auto" else settings.pooling
        self.pooling: Pooling = pooling  # type: ignore[assignment]  # Settings checked it
        self._embeds = settings.pooling != "auto" or not self.manifest.ranks  # as Encoder.require_vectors has it
        self.columns: dict[Task, int] = {"embeddings": self.manifest.hidden_size}
        warming = self.tokenizer.encode(Golden.from_bytes(bundle.read(GOLDEN), self.manifest).texts)
        encoder.pool(warming)  # the first run allocates
        if self.manifest.variants[self.precision].classifier is not None:
            labels = len(self.manifest.labels)
            self.classifier = Classifier.from_bundle(bundle, **how)
            self.classifier.tokenizer = self.tokenizer  # one copy in memory
            self.classifier.score(warming)
            self.columns |= {"scores": labels, "logits": labels}
        elif self.manifest.kind == "token_classifier":
            self.tagger = TokenClassifier.from_bundle(bundle, **how)
            self.tagger.tokenizer = self.tokenizer
            self.tagger.run(warming)
            self.columns |= {"tags": len(self.manifest.labels)}
        self.lone = self._second(self.classifier or self.tagger or encoder, settings.lone_threads or 1, warming)
        self.answer_bytes = _answer_bytes(self.manifest)

    def require(self, task: Task) -> None:
        """Refuse a task that the bundle has no graph for.

        Raises:
            InvalidError: a bundle without a head was asked to classify, one that labels tokens to label texts, or the
                other way round, or one that ranks to embed where the settings name no pooling.
        """
        if task == "tags":
            self.require_tagger()
        elif task != "embeddings":
            self._head()
        elif not self._embeds:
            raise InvalidError(
                f"{self.name} ranks documents; send them to /rank. To get its vectors anyway, start the server "
                f"with --pooling {self.manifest.pooling}"
            )

    def run(self, task: Task, batch: Batch, *, alone: bool = False) -> Floats | list[Floats]:
        """Answer a batch: float32 (texts, columns); for "tags" each text's logits, float32 (tokens, labels).

        "scores" are under the bundle's own activation, "embeddings" are pooled and not normalised. A batch
        that is alone runs on `lone`, if that is of the task's kind.

        Raises:
            InferenceError: onnxruntime refused the batch, or the model answered NaN.
            InvalidError: as `require`.
        """
        if task == "embeddings":
            return self._on(self.encoder, alone).pool(batch, pooling=self.pooling)
        if task == "tags":
            return self._on(self.require_tagger(), alone).run(batch)
        return self._on(self._head(), alone).score(batch, activation=None if task == "scores" else "none")

    def width(self, task: Task, *, alone: bool) -> float:
        """How many batches could run at the same time on the threads of this one."""
        model = {"embeddings": self.encoder, "tags": self.tagger}.get(task, self.classifier)
        return 1.0 if model is None else self._on(model, alone).session.threads / model.session.threads

    def _second(self, model: M, threads: int, warming: Batch) -> M | None:
        """The same with a session of so many threads, if that is more; a server can do without it."""
        if threads <= model.session.threads:
            return None
        other = copy(model)
        try:
            other.session = model.session.with_threads(threads)
            other.session.run(warming)
        except (InferenceError, MemoryError) as error:
            log_error(
                "no second session: batches that run alone get no more threads", model=self.name, error=str(error)
            )
            return None
        return other

    def _on(self, model: M, alone: bool) -> M:
        return self.lone if alone and isinstance(self.lone, type(model)) else model

    def require_tagger(self) -> TokenClassifier:
        """The graph with a head for tokens.

        Raises:
            InvalidError: the bundle has none.
        """
        if self.tagger is None:
            if self.classifier is not None:
                raise InvalidError(f"{self.name} labels texts, not tokens; send the texts to /predict")
            raise InvalidError(f"{self.name} has no classification head; it only makes embeddings")
        return self.tagger

    def _head(self) -> Classifier:
        if self.classifier is None:
            if self.tagger is not None:
                raise InvalidError(f"{self.name} labels tokens, not texts; send the texts to /tag")
            raise InvalidError(f"{self.name} has no classification head; it only makes embeddings")
        return self.classifier


def _answer_bytes(manifest: Manifest) -> dict[Task, int]:
    names = sum(_BYTES_AROUND_A_LABEL + len(label.encode()) for label in manifest.labels)
    vector = manifest.hidden_size * _BYTES_PER_NUMBER
    longest = max((len(label.encode()) for label in manifest.labels), default=0)
    tags = _BYTES_AROUND_A_SPAN + longest + len(manifest.labels) * _BYTES_OF_TWO_LOGITS
    return {"scores": names, "logits": names, "embeddings": vector, "tags": tags}


def describe(model: ServedModel) -> dict[str, str]:
    """What a log line and a metric say about a model."""
    return {"model": model.name, "precision": model.precision, "sha256": model.digest}


def _refuse_growth(tokenizer: Tokenizer, path: Path) -> None:
    """Refuse a tokenizer that makes so much of a character that one text would take the server's memory."""
    most = inserted(tokenizer.parts.normalizer)
    if most > MOST_INSERTED:
        raise IncompatibleError(
            f"{path / TOKENIZER}, normalizer: expected at most {MOST_INSERTED:,} characters for one of a text, got "
            f"{most:,.0f}, by what Replace and Prepend put in."
        )
