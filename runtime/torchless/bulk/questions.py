"""What a model is asked about every text, and its answers as columns.

A question can be pickled: it is sent to other machines, and loads its model there. For another kind of answer write a
`Question` and its `Respondent`, as in classify.py and embed.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from torchless.bundle.bundle import Bundle
from torchless.errors import InputError
from torchless.inputs.arguments import Text
from torchless.inputs.windows import Windows

from .columns import Column, Type

# What a user calls them.
_OPTIONS = {"question": "command", "top_k": "--top-k", "labels": "--candidate-labels"} | {
    name: f"--{name}" for name in ("prefix", "windows", "activation", "threshold", "pooling", "normalize")
}

_PLACE = re.compile(r"texts\[0\](?:\.(\w+))?: ")


@dataclass
class Answered:
    """The answers to n texts.

    Attributes:
        columns: of each new column n values.
        counts: how many texts have which label; empty where there are no labels.
        truncated: how many texts were cut.
        tokens: how many tokens were read; 0 where that is not known.
    """

    columns: Sequence[Any]
    counts: dict[str, int] = field(default_factory=dict)
    truncated: int = 0
    tokens: int = 0


class Respondent(Protocol):
    """A loaded model that has been asked a question."""

    def prepare(self, texts: list[Text]) -> Any:
        """What can be done before the model runs: tokens.

        Raises:
            InputError: a text cannot be read.
        """
        ...

    def answer(self, prepared: Any) -> Answered:
        """The answers, one per text.

        Raises:
            InferenceError: the model failed.
        """
        ...


@dataclass(frozen=True)
class Model:
    """Which model, and how it runs.

    Attributes:
        name: a folder, the name of an installed package, or a Hub id.
        precision: as in `Classifier.load`.
        device: "cpu" or "cuda".
        digest: of the bundle that is expected there; None takes any.
        threads: as in `Classifier.load`.
    """

    name: str
    precision: str = "auto"
    device: str = "cpu"
    digest: str | None = None
    threads: int | None = None

    def bundle(self) -> Bundle:
        """The bundle.

        Raises:
            BundleError: it cannot be opened, or is another than expected.
        """
        bundle = Bundle.open(self.name)
        if self.digest is not None and bundle.digest != self.digest:
            from torchless.errors import IntegrityError

            raise IntegrityError(bundle.path, f"the bundle of sha256 {self.digest}", bundle.digest, "Copy it there.")
        return bundle

    def load(self, kind: Any) -> Any:
        """The bundle as a Classifier or an Encoder; errors as theirs."""
        options: dict[str, Any] = {"precision": self.precision, "device": self.device, "threads": self.threads}
        return kind.from_bundle(self.bundle(), **options)


@dataclass(frozen=True)
class Question:
    """What is asked, of which model.

    Attributes:
        model: which.
        prefix: what the names of new columns begin with.
        windows: how long texts are read; None cuts them.
    """

    model: Model
    prefix: str = ""
    windows: Windows | None = None

    def columns(self, bundle: Bundle | None = None) -> list[Column]:
        """The new columns; without the bundle their names are right, and the sizes of vectors are not."""
        read = [("truncated", "bool"), *([("windows", "int64")] if self.windows else [])]
        return [
            Column(self.prefix + name, type_)
            for name, type_ in [*self._answers(bundle.manifest.hidden_size if bundle else 1), *read]
        ]

    def _answers(self, hidden_size: int) -> list[tuple[str, Type]]:
        raise NotImplementedError

    def answer_bytes(self, bundle: Bundle) -> int:  # noqa: ARG002
        """About how much memory one text's vector or list of answers takes; 0 where it has neither."""
        return 0

    def load(self) -> Respondent:
        """Load the model; errors as `Classifier.load`."""
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        """All that the answers depend on beside the bundle and the texts, as JSON has it."""
        model = replace(self.model, name="", digest=None, threads=None)
        options = {**asdict(replace(self, model=model)), "question": type(self).__name__}
        options["model"] = {name: value for name, value in options["model"].items() if value}
        return {_OPTIONS.get(name, name): repr(value) for name, value in options.items() if name != "thresholds"}

    def asked(self, **model: Any) -> Question:
        """The same question of a model with other attributes."""
        return replace(self, model=replace(self.model, **model))


def how_read(question: Question, answers: Any) -> list[list[Any]]:
    """The values of the columns `truncated` and `windows`."""
    return [answers.truncated.tolist(), *([answers.windows.tolist()] if question.windows else [])]


Tried = tuple[Any, dict[int, str]]  # what is prepared of the good texts, and the reason of each other by its place


def prepared(respondent: Respondent, texts: list[Text]) -> Tried:
    """Prepare all texts that the model can read.

    Returns:
        What is prepared, and of each text that cannot be read its place and the reason.
    """
    try:
        return respondent.prepare(texts), {}
    except InputError:
        pass
    wrong: dict[int, str] = {}
    for place, text in enumerate(texts):
        try:
            respondent.prepare([text])
        except InputError as error:
            wrong[place] = _without_place(str(error)).rstrip(".")
    return respondent.prepare([text for place, text in enumerate(texts) if place not in wrong]), wrong


def _without_place(message: str) -> str:
    """What is wrong with a lone text, without its place in the list: its row is named by another."""
    found = _PLACE.match(message)
    if not found:
        return message
    return f"the {found[1]} text: {message[found.end() :]}" if found[1] else message[found.end() :]
