"""transformers' feature-extraction pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from torchless.encoder import Encoder
from torchless.errors import InputError, shown
from torchless.inputs.arguments import flag

from .pipelines import feed, refuse_unknown, take_batch_size
from .truncation import TOKENIZER_ARGUMENTS, TruncatingPipeline, Truncation

_KNOWN = ("truncation", "tokenize_kwargs", "return_tensors")


class FeatureExtractionPipeline(TruncatingPipeline[Encoder]):
    """Texts to the last layer's states of their tokens."""

    model_type = Encoder

    def __call__(self, inputs: Any, **parameters: Any) -> Any:
        """The states of each text's tokens.

        Args:
            inputs: a str, a list of str, or a generator of str.
            parameters: truncation; tokenize_kwargs, a dict of truncation, max_length and padding, as tokenizers of
                transformers take them; return_tensors, for numpy arrays instead of lists; batch_size, how many items of
                a generator are read at a time; and num_workers, on which nothing depends.

        Returns:
            Nested lists (1, tokens, hidden_size) for a text, special tokens included, or with return_tensors a float32
            array. A list or a generator of that for a list or a generator.

        Raises:
            InputError: an input or a parameter is none of these, or a text is too long and may not be cut.
            InferenceError: onnxruntime refused a batch, or the model answered NaN.
        """
        batch_size = take_batch_size(parameters, self._batch_size)
        merged = {**self._parameters, **self._checked(parameters)}
        truncation = Truncation.of(merged, self.model.manifest.max_tokens)
        answer = partial(self._answer, truncation, merged.get("return_tensors", False))
        return feed(inputs, answer, batch_size)

    @staticmethod
    def _checked(parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a construction or a call, the tokenizer's among them."""
        hint = " The tokenizer's go into tokenize_kwargs." if set(parameters) & set(TOKENIZER_ARGUMENTS) else ""
        refuse_unknown(parameters, _KNOWN, "feature-extraction", hint)
        given = parameters.get("tokenize_kwargs")
        if given is not None and not isinstance(given, Mapping):
            raise InputError(f"tokenize_kwargs: expected a dict, got {shown(given)}.")
        checked = dict(given or {})
        refuse_unknown(checked, TOKENIZER_ARGUMENTS, "tokenize_kwargs")
        padding = checked.get("padding")
        if isinstance(padding, str) and padding == "max_length":
            raise InputError("padding: expected none, because there are no states of padding, got 'max_length'.")
        if parameters.get("truncation") is not None:
            if "truncation" in checked:
                raise InputError("truncation: given twice, by itself and in tokenize_kwargs.")
            checked["truncation"] = parameters["truncation"]
        tensors = parameters.get("return_tensors")
        if tensors is not None:  # transformers takes any name of a framework for True
            checked["return_tensors"] = bool(tensors) if isinstance(tensors, str) else flag(tensors, "return_tensors")
        return checked

    def _answer(self, truncation: Truncation, return_tensors: bool, inputs: list[Any]) -> list[Any]:
        for index, text in enumerate(inputs):
            if not isinstance(text, str):
                raise InputError(
                    f"inputs[{index}]: expected a str, got {type(text).__name__}. Pass many as a list or a generator."
                )
        states = [
            rows[np.newaxis] for rows in self._model_for(truncation).hidden_states(inputs)
        ]  # each (1, tokens, hidden_size)
        if truncation.beyond != "cut":
            limit = self.model.manifest.max_tokens
            full = [index for index, rows in enumerate(states) if rows.shape[1] >= limit]
            truncated = self.model.truncated([inputs[index] for index in full]).tolist()
            truncation.judge([index for index, cut in zip(full, truncated, strict=True) if cut], limit)
        return states if return_tensors else [rows.tolist() for rows in states]
