"""Documents, ranked by how well they answer a query."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from .answers.documents import Ranked, ranked_documents
from .answers.ranking import Answers
from .bundle.manifest import Activation
from .classifier import Classifier
from .errors import IncompatibleError, InputError, shown
from .inputs.arguments import TextPair, iterator, pair_list, refuse_lone_surrogate, whole_number
from .model import Device

Pair = TextPair | Sequence[str]


class Reranker:
    """A model that reads a query and a document together; sentence-transformers calls it a cross-encoder.

    Scores are those of sentence-transformers' `CrossEncoder` for the same checkpoint. `Classifier` takes the same
    bundle, and scores as transformers' pipeline does; `Classifier.rank` ranks labels, not documents.

    Examples:
        >>> Reranker.load("models/sst2-mini")
        Traceback (most recent call last):
        torchless.errors.IncompatibleError: sst2-mini reads single texts. Ranking needs a model that reads pairs.
    """

    def __init__(self, classifier: Classifier) -> None:
        """Make one of a classifier.

        Args:
            classifier: one that reads pairs.

        Raises:
            InputError: it is no Classifier.
            IncompatibleError: it reads single texts.
        """
        if not isinstance(classifier, Classifier):
            raise InputError(f"classifier: expected Classifier.load(…), got {shown(classifier)}.")
        self.manifest = classifier.manifest
        self._classifier = classifier
        if not self.manifest.pairs:
            raise IncompatibleError(
                f"{self.manifest.source.name} reads single texts. Ranking needs a model that reads pairs."
            )

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        precision: str = "auto",
        device: Device = "cpu",
        threads: int | None = None,
        revision: str | None = None,
    ) -> Reranker:
        """Load a bundle that reads pairs; arguments and errors as in `Classifier.load`."""
        return cls(Classifier.load(path, precision=precision, device=device, threads=threads, revision=revision))

    def rank(
        self,
        query: str,
        documents: Iterable[str],
        top_k: int | None = None,
        *,
        activation: Activation | None = None,
    ) -> list[Ranked]:
        """The documents, best first; equal scores keep the order of the documents.

        Args:
            query: what is asked, a text that is not blank. It is tokenised once for all documents.
            documents: n texts, any iterable but a bare str. Where query and document are too long together, the longer
                of the two loses tokens first, and the document's `truncated` says so.
            top_k: at most this many documents; None for all.
            activation: as in `score`.

        Returns:
            At most n documents; none for no documents.

        Raises:
            IncompatibleError: the model has several outputs; which one ranks is not known.
            InputError: query is blank or no text; documents is a bare str, a dict or a set, or an element is no text or
                holds a lone surrogate; top_k is less than 1; or the activation is unknown.
            InferenceError: onnxruntime refused a batch, or the model answered NaN.
        """
        if len(self.manifest.labels) != 1:
            raise IncompatibleError(
                f"{self.manifest.source.name} has {len(self.manifest.labels)} outputs, "
                f"{', '.join(self.manifest.labels)}, and ranking needs a model with one. "
                "score(pairs) returns all of them."
            )
        if top_k is not None:
            top_k = whole_number(top_k, "top_k", "a whole number of 1 or more, or None for all", sys.maxsize)
        query = checked_query(query)
        answers = self._answer([TextPair(query, text) for text in document_list(documents)], activation)
        return ranked_documents(answers.scores[:, 0], answers.truncated, top_k)

    def score(self, pairs: Iterable[Pair], *, activation: Activation | None = None) -> NDArray[np.float32]:
        """A score for every pair, as `CrossEncoder.predict` returns them.

        Args:
            pairs: n pairs of query and document, each a `TextPair` or two str in a tuple or list.
            activation: "softmax", "sigmoid" or "none" instead of what `CrossEncoder` applies: the function that the
                checkpoint names, else a sigmoid for one output and none for several.

        Returns:
            float32 (n,) of a model with one output, (n, outputs) of a model with several.

        Raises:
            InputError: pairs is no list of pairs, or a text of one is none or holds a lone surrogate; the message says
                which. Or the activation is unknown.
            InferenceError: as in `rank`.
        """
        scores = self.answer(pairs, activation=activation).scores
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def answer(self, pairs: Iterable[Pair], *, activation: Activation | None = None) -> Answers:
        """Scores as float32 (n, outputs), and which pairs were cut: what the methods above are made of.

        Raises:
            InputError, InferenceError: as in `score`.
        """
        return self._answer(pair_list(pairs), activation)

    def _answer(self, pairs: Sequence[TextPair], activation: Activation | None) -> Answers:
        own = self.manifest.ranking_activation
        return self._classifier.answer(pairs, activation=own if activation is None else activation)


def checked_query(query: str) -> str:
    """The query.

    Raises:
        InputError: it is no text, blank, or holds a lone surrogate.
    """
    if not isinstance(query, str) or not query.strip():
        raise InputError(f"query: expected a str that is not blank, got {shown(query)}.")
    refuse_lone_surrogate(query, "query")
    return query


def document_list(documents: Iterable[str]) -> list[str]:
    """Documents as a list, read once.

    Raises:
        InputError: they are a bare str or have no order, or one is no text; the message says which.
    """
    if isinstance(documents, (str, bytes)):
        raise InputError(f"documents: expected a list of str, got a bare {type(documents).__name__}. Pass [document].")
    listed = list(iterator(documents, "documents"))
    for index, document in enumerate(listed):
        if not isinstance(document, str):
            raise InputError(f"documents[{index}]: expected str, got {shown(document)}.")
        refuse_lone_surrogate(document, f"documents[{index}]")
    return listed
