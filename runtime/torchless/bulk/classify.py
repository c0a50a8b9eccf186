"""Labels for every text: the bundle's, or the user's own (zero-shot)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torchless.inputs.arguments import Text

from .columns import Type
from .questions import Answered, Question, Respondent, how_read

if TYPE_CHECKING:
    from torchless.answers.ranking import Ranking, Threshold
    from torchless.bundle.bundle import Bundle
    from torchless.classifier import Classifier
    from torchless.inputs.tokens import Tokenised
    from torchless.zero_shot import ZeroShotClassifier

_BYTES_PER_LABEL = 400  # as a Prediction, and as a dict for the writer
_LABELS: Type = [{"label": "string", "score": "float32"}]


@dataclass(frozen=True)
class Classify(Question):
    """Which label fits a text.

    Attributes:
        activation: as in `Classifier.rank`.
        top_k: 1 makes the columns label and score, another number or None (all labels) a list of both.
        threshold: as in `Classifier.rank`; it makes a list too.
        thresholds: makes that of `threshold` and the labels, where it is not known before the model is loaded.
    """

    activation: Any = None
    top_k: int | None = 1
    threshold: Any = None
    thresholds: Callable[[Any, Sequence[str]], Threshold] | None = None

    @property
    def ranked(self) -> bool:
        """Whether a text has a list of labels, which may be empty."""
        return self.top_k != 1 or self.threshold is not None

    def _answers(self, hidden_size: int) -> list[tuple[str, Type]]:  # noqa: ARG002
        return [("labels", _LABELS)] if self.ranked else [("label", "string"), ("score", "float32")]

    def answer_bytes(self, bundle: Bundle) -> int:
        """Of its labels, all of which may reach a threshold."""
        labels = self._label_count(bundle)
        return _BYTES_PER_LABEL * min(labels, self.top_k or labels) if self.ranked else 0

    def _label_count(self, bundle: Bundle) -> int:
        return len(bundle.manifest.labels)

    def load(self) -> Respondent:
        """Load the classifier; errors as `Classifier.load` and `Classifier.rank`."""
        from torchless.classifier import Classifier

        classifier: Classifier = self.model.load(Classifier)
        activation = self.activation or classifier.manifest.activation
        return _Classifying(self, classifier, self._ranking(classifier.labels, activation))

    def _ranking(self, labels: Sequence[str], activation: Any) -> Ranking:
        from torchless.answers.ranking import Ranking

        least = self.threshold
        if least is not None and self.thresholds is not None:
            least = self.thresholds(least, labels)
        return Ranking(labels, activation, self.top_k, least)


@dataclass(frozen=True)
class ZeroShot(Classify):
    """Which of the user's labels fits a text.

    Attributes:
        labels: to choose from.
        hypothesis_template: as in `ZeroShotClassifier.rank`.
        entailment: as in `ZeroShotClassifier.load`.
        multi_label: as in `ZeroShotClassifier.rank`.
    """

    labels: tuple[str, ...] = ()
    hypothesis_template: str = "This example is {}."
    entailment: str | None = None
    multi_label: bool = False

    def _label_count(self, bundle: Bundle) -> int:  # noqa: ARG002
        return len(self.labels)

    def load(self) -> Respondent:
        """Load the classifier; errors as `ZeroShotClassifier.load` and `ZeroShotClassifier.rank`."""
        from torchless.classifier import Classifier
        from torchless.zero_shot import ZeroShotClassifier

        classifier = ZeroShotClassifier(self.model.load(Classifier), entailment=self.entailment)
        return _Choosing(self, classifier, self._ranking(self.labels, "softmax"))


class _Classifying:
    """The answers of a classifier."""

    def __init__(self, question: Classify, classifier: Classifier, ranking: Ranking) -> None:
        self._question = question
        self._classifier = classifier
        self._ranking = ranking

    def prepare(self, texts: list[Text]) -> Tokenised:
        return self._classifier.tokenizer.encode_windows(texts, self._question.windows)

    def answer(self, prepared: Any) -> Answered:
        asked = self._question
        answers = self._classifier.answer(prepared, activation=asked.activation, windows=asked.windows)
        return _labelled(asked, self._ranking, answers, len(prepared.batch.input_ids))


class _Choosing:
    """The answers of a zero-shot classifier."""

    def __init__(self, question: ZeroShot, classifier: ZeroShotClassifier, ranking: Ranking) -> None:
        self._question = question
        self._classifier = classifier
        self._ranking = ranking

    def prepare(self, texts: list[Text]) -> Any:
        return texts

    def answer(self, prepared: Any) -> Answered:
        asked = self._question
        answers = self._classifier.answer(
            prepared, asked.labels, hypothesis_template=asked.hypothesis_template, multi_label=asked.multi_label
        )
        return _labelled(asked, self._ranking, answers, 0)


def _labelled(question: Classify, ranking: Ranking, answers: Any, tokens: int) -> Answered:
    found = ranking.of(answers)
    counts: dict[str, int] = {}
    for each in found:
        for best in each[:1] if not question.ranked else each:
            counts[best.label] = counts.get(best.label, 0) + 1
    if question.ranked:
        columns: list[list[Any]] = [[[{"label": best.label, "score": best.score} for best in each] for each in found]]
    else:
        columns = [[each[0].label for each in found], [each[0].score for each in found]]
    return Answered([*columns, *how_read(question, answers)], counts, int(answers.truncated.sum()), tokens)
