"""A bundle that is being served: verified, warm, both of its graphs over one set of weights."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import tokenizers
from numpy.typing import NDArray

from torchless.bundle.bundle import Bundle
from torchless.bundle.golden import Golden
from torchless.bundle.manifest import GOLDEN, TOKENIZER, Manifest, Pooling
from torchless.classifier import Classifier
from torchless.encoder import Encoder
from torchless.inputs.tokens import Batch
from torchless.model import Device
from torchless.numerics import ACTIVATIONS, POOLINGS
from torchless.shipping.verify import verify_bundle

from .errors import InvalidError
from .settings import Settings

Task = Literal["scores", "logits", "embedding"]
Span = tuple[int, str, bool, int | None, int | None]  # id, text, special, start and stop in characters


class Engine:
    """One model, ready to answer from any number of threads.

    Attributes:
        name: what requests call it.
        path: the bundle's folder.
        manifest: its contract.
        digest: sha256 of the manifest, which vouches for every other file.
        precision: the variant that runs.
        device: where it runs.
        padded: whether its graphs take padded tokens.
        budget: how large a batch should be at most.
        pooling: how token states become an embedding.
        width: columns of an answer, by task; a bundle without a head has "embedding" alone.
    """

    def __init__(self, name: str, model: str | os.PathLike[str], settings: Settings) -> None:
        """Verify a bundle, load both of its graphs and run each once.

        Raises:
            BundleNotFoundError, ManifestError, IntegrityError, IncompatibleError, DeviceError, VerificationError.
        """
        bundle = Bundle.open(model)
        verify_bundle(bundle)
        self.name = name
        self.path = path = bundle.path  # pinned: a revision on the Hub may move on meanwhile
        self.device: Device = "cuda" if settings.device == "cuda" else "cpu"
        body = Encoder.load(path, precision=settings.precision, device=self.device, threads=settings.threads)
        self.manifest: Manifest = body.manifest
        pooling = self.manifest.pooling if settings.pooling == "auto" else settings.pooling
        self.pooling: Pooling = pooling  # type: ignore[assignment]  # Settings checked it
        self.digest = hashlib.sha256(self.manifest.to_bytes()).hexdigest()
        self.precision = body.precision
        self._activate = ACTIVATIONS[self.manifest.activation]
        self.tokenizer = body.tokenizer
        self.padded = body.session.padded
        self.budget = body.session.budget
        self._sessions = {"embedding": body.session}
        self.width = {"embedding": self.manifest.hidden_size}
        if self.manifest.variants[self.precision].classifier is not None:
            head = Classifier.load(path, precision=settings.precision, device=self.device, threads=settings.threads)
            self._sessions |= {"scores": head.session, "logits": head.session}
            self.width |= {"scores": len(self.manifest.labels), "logits": len(self.manifest.labels)}
        batch = self.tokenizer.encode(Golden.from_bytes(bundle.read(GOLDEN), self.manifest).texts)
        for session in self._sessions.values():
            session.run(batch)  # the first run allocates

    def require(self, task: Task) -> None:
        """Refuse a task that the bundle has no graph for.

        Raises:
            InvalidError: a bundle without a head was asked to classify.
        """
        if task not in self.width:
            raise InvalidError(f"{self.name} has no classification head; it only makes embeddings")

    def run(self, task: Task, batch: Batch) -> NDArray[np.float32]:
        """One row a text: scores under the bundle's activation, logits, or the pooled vector at its own length.

        Raises:
            InferenceError: onnxruntime refused the batch, or the model answered NaN.
        """
        rows = self._sessions[task].run(batch)
        if task == "scores":
            return self._activate(rows)
        return rows if task == "logits" else POOLINGS[self.pooling](rows, batch.offsets)

    def tokens(self, texts: Sequence[str], special_tokens: bool) -> list[list[Span]]:
        """The tokens of every text, untruncated. A special token stands for no characters: it has no start and stop."""
        encodings = self._whole_texts.encode_batch(list(texts), add_special_tokens=special_tokens)
        return [_spans(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]

    @cached_property
    def _whole_texts(self) -> Any:
        """A tokenizer that does not truncate; made when it is first asked for, because few do."""
        tokenizer: Any = tokenizers.Tokenizer.from_file(str(self.path / TOKENIZER))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer


def _spans(text: str, encoding: Any) -> list[Span]:
    spans: list[Span] = []
    for token, piece, special, (start, stop) in zip(
        encoding.ids, encoding.tokens, encoding.special_tokens_mask, encoding.offsets, strict=True
    ):
        spans.append((token, piece, True, None, None) if special else (token, text[start:stop], False, start, stop))
    return spans
