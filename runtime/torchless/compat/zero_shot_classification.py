"""transformers' zero-shot-classification pipeline."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sized
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchless.classifier import Classifier
from torchless.errors import InputError, shown
from torchless.inputs.arguments import iterator, plain
from torchless.zero_shot import ZeroShotClassifier, entailment_index

from .pipelines import Pipeline, feed, refuse_unknown, take_batch_size, wanted

_KNOWN = ("candidate_labels", "hypothesis_template", "multi_label", "multi_class", "truncation")
_NOISE = 5e-6  # of a score: what the place in a batch changes


class ZeroShotClassificationPipeline(Pipeline[Classifier]):
    """Texts to labels of the caller's own, by a model for natural language inference."""

    model_type = Classifier

    def __init__(self, model: Classifier, task: str, parameters: dict[str, Any]) -> None:
        super().__init__(model, task, parameters)
        self._zero_shot = ZeroShotClassifier(model, entailment=_entailment(model.labels))

    def __call__(self, sequences: Any, *labels: Any, **parameters: Any) -> Any:
        """The candidate labels of each text, best first.

        Args:
            sequences: a str, a list of str, or a generator of str.
            labels: candidate_labels may come without their name.
            parameters: candidate_labels, a list, or a str with commas between them; hypothesis_template, a sentence
                with {} where the label goes; multi_label, whether any number of labels may be right; batch_size, how
                many items of a generator are read at a time; and num_workers, on which nothing depends.

        Returns:
            A dict of "sequence", "labels" and "scores" for a text. A list or a generator of that for a list or a
            generator.

        Raises:
            InputError: a text is empty, or a parameter is none of these, or leaves no room for the text.
            InferenceError: onnxruntime refused a batch, or the model answered NaN.
        """
        if len(labels) > 1 or (labels and "candidate_labels" in parameters):
            raise InputError(f"expected sequences and candidate_labels, got also {', '.join(map(repr, labels))}.")
        if labels:
            parameters["candidate_labels"] = labels[0]
        batch_size = take_batch_size(parameters, self._batch_size)
        merged = {**self._parameters, **self._checked(parameters)}
        candidates = _candidates(merged.pop("candidate_labels", None))
        return feed(sequences, partial(self._answer, candidates, merged), batch_size)

    @staticmethod
    def _checked(parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a construction or a call, those among them that count."""
        refuse_unknown(parameters, _KNOWN, "zero-shot-classification")
        truncation = parameters.get("truncation", True)
        if not isinstance(truncation, (int, np.bool_, str)) or truncation not in (True, "only_first"):
            raise InputError(f"truncation: expected True: the text alone is cut, got {shown(truncation)}.")
        checked = {name: parameters[name] for name in ("candidate_labels", "hypothesis_template") if name in parameters}
        if "multi_label" in parameters:
            checked["multi_label"] = wanted(parameters, "multi_label")
        if parameters.get("multi_class") is not None:
            warnings.warn("multi_class is deprecated: it is called multi_label now.", stacklevel=3)
            checked["multi_label"] = wanted(parameters, "multi_class")
        return checked

    def _answer(self, candidates: list[Any], parameters: Mapping[str, Any], inputs: list[Any]) -> list[Any]:
        for index, text in enumerate(inputs):
            if not isinstance(text, str) or not text:
                raise InputError(f"sequences[{index}]: expected a str that is not empty, got {shown(text)}.")
        labels = [plain(each) if isinstance(each, str) else str(each) for each in candidates]
        answers = self._zero_shot.answer(inputs, labels, **parameters)
        outputs = []
        for text, scores in zip(inputs, answers.scores, strict=True):
            order = _order(scores)
            ranked = np.minimum.accumulate(scores[order])  # noise between equals would let a score rise
            outputs.append({"sequence": text, "labels": [candidates[i] for i in order], "scores": ranked.tolist()})
        return outputs


def _order(scores: NDArray[np.float32]) -> list[int]:
    """Best first, as transformers orders them: its sort is not stable, so equals take places of their own.

    It runs one hypothesis at a time, where the same tokens score the same to the last bit. In a batch they differ in
    the last bits, so what is that close counts as equal here.
    """
    ascending = scores.argsort(kind="stable")
    steps = np.diff(scores[ascending]) > _NOISE * scores[ascending[1:]]
    levels = np.zeros_like(scores)
    levels[ascending[1:]] = np.cumsum(steps)
    order: list[int] = levels.argsort()[::-1].tolist()
    return order


def _candidates(labels: Any) -> list[Any]:
    if isinstance(labels, str):
        return [label.strip() for label in labels.split(",") if label.strip()]
    expected = "str, or a str with commas"
    if not isinstance(labels, Sized):  # of a generator the second call would have nothing
        raise InputError(f"candidate_labels: expected a list of {expected}, got {type(labels).__name__}.")
    candidates = list(iterator(labels, "candidate_labels", expected))
    for index, label in enumerate(candidates):
        if not isinstance(label, str) and not _is_written(label):
            raise InputError(f"candidate_labels[{index}]: expected a str, got {shown(label)}.")
    return candidates


def _is_written(label: Any) -> bool:
    """Whether it is a number that can be written out, and none that stands for a missing one."""
    if isinstance(label, float):
        return not math.isnan(label)
    with suppress(ValueError):  # of more than 4,300 digits
        return isinstance(label, int) and bool(str(label))
    return False


def _entailment(labels: tuple[str, ...]) -> str | None:
    """The label that means "follows from", where its name does not say so: as in transformers the last one."""
    if len(labels) < 2 or entailment_index(labels) is not None:
        return None
    warnings.warn(
        f"None of the labels {', '.join(labels)} begins with 'entail': the last one, {labels[-1]!r}, is taken for "
        "entailment.",
        stacklevel=4,
    )
    return labels[-1]
