"""Labels of your own, scored by a model that says whether a hypothesis follows from a text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from string import Formatter
from typing import cast

import numpy as np
from numpy.typing import NDArray

from .answers.numerics import Floats, softmax
from .answers.ranking import Answers, Prediction, Ranking, Threshold
from .classifier import Classifier
from .errors import IncompatibleError, InputError, shown
from .inputs.arguments import TextPair, choice, flag, iterator, plain, refuse_lone_surrogate, text_list
from .inputs.windows import Windows
from .model import Device

TEMPLATE = "This example is {}."
_PAIRS = 8192  # of text and label; more are answered in parts, which bounds memory


class ZeroShotClassifier:
    """A classifier whose labels come with each call (Yin et al., arXiv:1909.00161).

    Each label becomes a hypothesis, and the logit of "entailment" says how well it follows from the text. The
    arithmetic is that of transformers' zero-shot-classification pipeline.
    """

    def __init__(self, classifier: Classifier, *, entailment: str | None = None) -> None:
        """Make one of a classifier for natural language inference.

        Args:
            classifier: one that reads pairs of premise and hypothesis.
            entailment: its label for "follows from"; None takes the one that begins with "entail".

        Raises:
            IncompatibleError: the classifier reads no pairs, has one label, or none that begins with "entail".
            InputError: it is no Classifier, or has no label called `entailment`.
        """
        if not isinstance(classifier, Classifier):
            raise InputError(f"classifier: expected Classifier.load(…), got {shown(classifier)}.")
        self.manifest = classifier.manifest
        self._classifier = classifier
        self._entailment = _entailment(classifier, entailment)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        entailment: str | None = None,
        precision: str = "auto",
        device: Device = "cpu",
        threads: int | None = None,
        revision: str | None = None,
    ) -> ZeroShotClassifier:
        """Load a bundle of a model for natural language inference; arguments and errors as in `Classifier.load`."""
        classifier = Classifier.load(path, precision=precision, device=device, threads=threads, revision=revision)
        return cls(classifier, entailment=entailment)

    def rank(
        self,
        texts: Iterable[str],
        labels: Iterable[str],
        *,
        hypothesis_template: str = TEMPLATE,
        multi_label: bool = False,
        top_k: int | None = None,
        threshold: Threshold | None = None,
    ) -> list[list[Prediction]]:
        """The labels of every text, best first.

        Args:
            texts: n texts. One that leaves no room for the hypothesis is cut, and its predictions say so.
            labels: the labels to choose from.
            hypothesis_template: a sentence with {} where the label goes.
            multi_label: any number of labels may be right: each has its own score between contradiction and entailment.
                Otherwise one is, and the scores of a text sum to 1.
            top_k: at most this many labels per text; None for all.
            threshold: leave out what scores less, as in `Classifier.rank`.

        Raises:
            InputError: as in `Classifier.rank`; labels is empty, has no order, or holds something that is not a
                text; the template has no {}; or a hypothesis leaves no room for a text.
            InferenceError: as in `Classifier.predict`.
        """
        labels = label_list(labels)
        ranking = Ranking(labels, "softmax", top_k, threshold)
        return ranking.of(self.answer(texts, labels, hypothesis_template=hypothesis_template, multi_label=multi_label))

    def answer(
        self,
        texts: Iterable[str],
        labels: Iterable[str],
        *,
        hypothesis_template: str = TEMPLATE,
        multi_label: bool = False,
    ) -> Answers:
        """Scores, and which texts were cut.

        Returns:
            Answers whose scores are float32 (n, labels), in the order of the labels given.

        Raises:
            InputError, InferenceError: as in `rank`.
        """
        multi_label = flag(multi_label, "multi_label")
        hypotheses = fill(hypothesis_template, label_list(labels))
        premises = cast(list[str], text_list(texts, pairs=False))
        most = max(1, _PAIRS // len(hypotheses))
        parts = [
            self._scored(premises[first : first + most], hypotheses, multi_label)
            for first in range(0, max(len(premises), 1), most)
        ]
        scores, truncated = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Answers(scores, truncated, np.ones(len(premises), np.int64))

    def _scored(
        self, premises: Sequence[str], hypotheses: Sequence[str], multi_label: bool
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Scores (premises, hypotheses), and which premises were cut."""
        pairs = [TextPair(premise, hypothesis) for premise in premises for hypothesis in hypotheses]
        answers = self._answer(pairs, hypotheses)
        logits = answers.scores.reshape(len(premises), len(hypotheses), len(self._classifier.labels))
        scores = label_scores(logits, self._entailment, multi_label=multi_label)
        return scores, np.logical_or.reduce(answers.truncated.reshape(logits.shape[:2]), axis=1)

    def _answer(self, pairs: Sequence[TextPair], hypotheses: Sequence[str]) -> Answers:
        first = Windows(combine="first")  # the hypothesis stays whole, the text is cut
        try:
            return self._classifier.answer(pairs, activation="none", windows=first)
        except InputError:
            for index, hypothesis in enumerate(hypotheses):  # which one was too long?
                try:
                    self._classifier.answer([TextPair("a", hypothesis)], windows=first)
                except InputError as error:
                    raise InputError(
                        f"labels[{index}]: its hypothesis leaves no room for a text within the model's "
                        f"{self.manifest.max_tokens} tokens."
                    ) from error
            raise


def entailment_index(labels: Sequence[str]) -> int | None:
    """The label that begins with "entail", as transformers finds it; None where there is none."""
    return next((index for index, label in enumerate(labels) if label.lower().startswith("entail")), None)


def label_scores(logits: Floats, entailment: int, *, multi_label: bool) -> Floats:
    """Scores of candidate labels, from a model's logits for the hypothesis of each.

    Args:
        logits: float32 (texts, candidate labels, labels of the model).
        entailment: the model's label for "follows from".
        multi_label: as in `ZeroShotClassifier.rank`; a lone candidate label is always scored by itself.

    Returns:
        float32 (texts, candidate labels).
    """
    if multi_label or logits.shape[1] == 1:
        # As in transformers: it does not read the names, but trusts that NLI models have it at one end.
        contradiction = logits.shape[2] - 1 if entailment == 0 else 0
        return softmax(logits[:, :, [contradiction, entailment]])[:, :, 1]
    return softmax(logits[:, :, entailment])


def _entailment(classifier: Classifier, asked: str | None) -> int:
    labels, name = classifier.labels, classifier.manifest.source.name
    if not classifier.manifest.pairs:
        raise IncompatibleError(
            f"{name} reads single texts. Zero-shot classification needs a model for natural language inference, "
            "which reads pairs."
        )
    if len(labels) < 2:
        raise IncompatibleError(
            f"{name} has one label, {labels[0]}. Zero-shot classification needs a model for natural language inference."
        )
    if asked is not None:
        return labels.index(choice(asked, "entailment", labels))
    found = entailment_index(labels)
    if found is not None:
        return found
    raise IncompatibleError(
        f"{name} has the labels {', '.join(labels)}, and none that begins with 'entail'. If it is a model for NLI, say "
        "which one means that the hypothesis follows: entailment=LABEL (--entailment LABEL)."
    )


def label_list(labels: Iterable[str]) -> list[str]:
    """Candidate labels as a list, read once.

    Raises:
        InputError: there are none, they have no order, or one is blank or no text; the message says which.
    """
    listed = list(iterator(labels, "labels"))
    if not listed:
        raise InputError("labels: expected one candidate label or more, got none.")
    for index, label in enumerate(listed):
        if not isinstance(label, str) or not label.strip():
            raise InputError(f"labels[{index}]: expected a str that is not blank, got {shown(label)}.")
        refuse_lone_surrogate(label, f"labels[{index}]")
    return [plain(label) for label in listed]


def fill(template: str, labels: Sequence[str]) -> list[str]:
    """The hypothesis of every label.

    Raises:
        InputError: the template is no sentence with {} where the label goes.
    """
    if not isinstance(template, str):
        raise InputError(f"hypothesis_template: expected a sentence with {{}}, got {shown(template)}.")
    refuse_lone_surrogate(template, "hypothesis_template")
    try:
        if any(form for _, _, form, _ in Formatter().parse(template)):  # a width could ask for gigabytes
            raise ValueError("a format is not allowed")
        hypotheses = [template.format(label) for label in labels]
        placed = template.format("a") != template.format("b")
    except (LookupError, ValueError, AttributeError) as error:
        raise InputError(
            f"hypothesis_template: expected a sentence with one {{}}, got {shown(template)} ({error})."
        ) from error
    if not placed:
        raise InputError(f"hypothesis_template: expected {{}} where the label goes, got {shown(template)}.")
    return hypotheses
