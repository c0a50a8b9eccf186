"""transformers' text-classification pipeline."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchless.answers.numerics import ACTIVATIONS
from torchless.bundle.manifest import Activation
from torchless.classifier import Classifier
from torchless.errors import InputError, shown
from torchless.inputs.arguments import Text, TextPair
from torchless.inputs.windows import Windows

from .pipelines import feed, refuse_unknown, take_batch_size, wanted
from .truncation import TOKENIZER_ARGUMENTS, TruncatingPipeline, Truncation

_KNOWN = ("top_k", "function_to_apply", "return_all_scores", "text_pair", *TOKENIZER_ARGUMENTS)


class TextClassificationPipeline(TruncatingPipeline[Classifier]):
    """Texts and pairs to labels."""

    model_type = Classifier

    def __call__(self, inputs: Any, **parameters: Any) -> Any:
        """The best label of each input, or its labels best first.

        Args:
            inputs: a str; a dict with "text" and "text_pair"; a list of them; or a generator of them.
            parameters: top_k, the number of labels (None for all); function_to_apply, "softmax", "sigmoid" or "none"
                instead of the model's own; text_pair, the second text to every one of inputs; truncation, max_length
                and padding, as tokenizers of transformers take them; return_all_scores, as 4.57 had it; batch_size,
                how many items of a generator are read at a time; and num_workers, on which nothing depends.

        Returns:
            A dict of "label" and "score" for an input, or a list of them where `top_k` was given, here or at
            construction. A list or a generator of that for a list or a generator. As in transformers, one str is
            answered as a list of one, unless the call itself gives `top_k`.

        Raises:
            InputError: an input or a parameter is none of these, or a text is too long and may not be cut.
            InferenceError: onnxruntime refused a batch, or the model answered NaN.
        """
        batch_size = take_batch_size(parameters, self._batch_size)
        merged = {**self._parameters, **self._checked(parameters)}
        truncation = Truncation.of(merged, self.model.manifest.max_tokens)
        answer = partial(self._answer, truncation, merged)
        outputs = feed(inputs, answer, batch_size)
        return [outputs] if isinstance(inputs, str) and "top_k" not in parameters else outputs

    @staticmethod
    def _checked(parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a construction or a call; "nested" among them where they ask for a sorted list per input."""
        refuse_unknown(parameters, _KNOWN, "text-classification")
        checked = {name: parameters[name] for name in (*TOKENIZER_ARGUMENTS, "text_pair") if name in parameters}
        if "top_k" in parameters:
            checked.update(top_k=_top_k(parameters["top_k"]), nested=True)
        elif parameters.get("return_all_scores") is not None:
            warnings.warn("return_all_scores is deprecated: use top_k=None for True, top_k=1 for False.", stacklevel=3)
            checked["top_k"] = None if wanted(parameters, "return_all_scores") else 1
        if parameters.get("function_to_apply") is not None:
            checked["function_to_apply"] = _activation(parameters["function_to_apply"])
        return checked

    def _answer(self, truncation: Truncation, parameters: Mapping[str, Any], inputs: list[Any]) -> list[Any]:
        texts = [_text(item, parameters.get("text_pair"), f"inputs[{i}]") for i, item in enumerate(inputs)]
        windows = Windows(combine="first") if truncation.only_first else None
        activation = parameters.get("function_to_apply") or self.model.manifest.pipeline_activation
        answers = self._model_for(truncation).answer(texts, activation=activation, windows=windows)
        truncation.judge(np.flatnonzero(answers.truncated).tolist(), self.model.manifest.max_tokens)
        top_k, nested = parameters.get("top_k", 1), parameters.get("nested", False)
        return [_output(self.model.labels, scores, top_k, nested) for scores in answers.scores]


def _top_k(top_k: Any) -> int | None:
    if top_k is None or isinstance(top_k, int):
        return top_k
    raise InputError(f"top_k: expected a whole number, or None for all labels, got {shown(top_k)}.")


def _activation(function_to_apply: Any) -> Activation:
    if isinstance(function_to_apply, str):
        for activation in ACTIVATIONS:
            if activation == function_to_apply.lower():
                return activation
    raise InputError(
        f"function_to_apply: expected one of {', '.join(ACTIVATIONS)} or None, got {shown(function_to_apply)}."
    )


def _text(item: Any, text_pair: Any, where: str) -> Text:
    """One input as the classifier takes it."""
    match item:
        case str():
            # To transformers' tokenizers an empty second text is none.
            none = text_pair is None or (isinstance(text_pair, str) and not text_pair)
            return item if none else TextPair(item, text_pair)
        case (str(text),) if isinstance(item, tuple):  # of more than one transformers answers the first alone
            return _text(text, text_pair, where)
        case [[str(text), second]] if isinstance(item, list) and isinstance(item[0], list) and text_pair is None:
            return _text(text, second, where)  # how pairs were written once
        case {"text": str(text)} if set(item) <= {"text", "text_pair"}:
            if text_pair is not None and "text_pair" in item:
                raise InputError(f"{where}: has a text_pair of its own, and the call gives another one.")
            return _text(text, item.get("text_pair", text_pair), where)
    raise InputError(
        f"{where}: expected a str, or a dict of two str {{'text': …, 'text_pair': …}}, got {_described(item)}. "
        "Pass many as a list or a generator."
    )


def _described(item: Any) -> str:
    if isinstance(item, dict):
        return (
            f"a dict with {', '.join(f'{key!r}: {type(value).__name__}' for key, value in item.items()) or 'nothing'}"
        )
    return f"a {type(item).__name__}"


def _output(labels: tuple[str, ...], scores: NDArray[np.float32], top_k: int | None, nested: bool) -> Any:
    """A text's output; without `nested` all labels keep the order of the model."""
    if top_k == 1 and not nested:
        best = int(scores.argmax())
        return {"label": labels[best], "score": float(scores[best])}
    entries = [{"label": label, "score": score} for label, score in zip(labels, scores.tolist(), strict=True)]
    if nested:
        entries.sort(key=lambda entry: entry["score"], reverse=True)  # stable: equals keep the order of the model
        return entries[:top_k]
    return entries
