"""The checkpoint as PyTorch runs it: the judge of everything that this package builds."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchless.inputs.arguments import Text, TextPair

from .checkpoint import Checkpoint


class Reference:
    """A checkpoint loaded by transformers, in float32 on the CPU.

    Attributes:
        max_tokens: where texts are cut; None reads them whole.
        missing: tensors that the checkpoint lacks; transformers filled them with random numbers.
    """

    def __init__(self, checkpoint: Checkpoint, max_tokens: int | None, *, head: bool) -> None:
        import torch
        from transformers import AutoModel, AutoModelForSequenceClassification

        kind = AutoModelForSequenceClassification if head else AutoModel
        labels: dict[str, Any] = {"num_labels": len(checkpoint.labels)} if head else {}
        model, found = kind.from_pretrained(
            checkpoint.folder,
            local_files_only=True,
            dtype=torch.float32,
            trust_remote_code=checkpoint.trust_remote_code,
            output_loading_info=True,
            **labels,
        )
        self._model: Any = model.eval()
        self.missing = sorted(found["missing_keys"])
        # Not every model takes all that its tokenizer answers: DistilBERT has no token types.
        self._inputs = set(inspect.signature(self._model.forward).parameters)
        self._model.base_model.register_forward_hook(self._keep_states)
        self._states: Any = None
        self._tokenizer: Any = checkpoint.transformers_tokenizer
        self.max_tokens = max_tokens
        self._head = head

    @property
    def body(self) -> Any:
        """The PyTorch model without its head."""
        return self._model.base_model

    def input_ids(self, texts: Sequence[Text]) -> list[list[int]]:
        """Token ids of each text, special tokens included, cut at the limit."""
        ids: list[list[int]] = self.tokens(texts)["input_ids"]
        return ids

    @property
    def tokenizer(self) -> Any:
        """The checkpoint's own tokenizer, as transformers loads it."""
        return self._tokenizer

    def tokens(self, texts: Sequence[Text], **options: Any) -> Any:
        """What the checkpoint's tokenizer answers to texts, or to pairs, cut at the limit unless options say otherwise.

        Args:
            texts: n texts, or n pairs.
            options: of transformers' tokenizers.
        """
        singles = [text for text in texts if isinstance(text, str)]
        pairs = [text for text in texts if isinstance(text, TextPair)]
        assert not (singles and pairs), "transformers takes texts or pairs, not both at once"
        given = ([pair.first for pair in pairs], [pair.second for pair in pairs]) if pairs else (singles,)
        cut = {"truncation": self.max_tokens is not None, "max_length": self.max_tokens}
        return self._tokenizer(*given, **{**cut, **options})

    def run(self, texts: Sequence[Text]) -> tuple[list[NDArray[np.float32]], NDArray[np.float32] | None]:
        """One forward pass over texts or over pairs, padded; one per text where padding is not masked, or unknown.

        Returns:
            The last hidden states of each text without its padding, float32 (tokens_i, hidden_size), and the logits,
            float32 (texts, labels), or None without a head.
        """
        together = "attention_mask" in self._inputs and self._tokenizer.pad_token_id is not None
        groups = [texts] if together else [[text] for text in texts]
        answers = [self._forward(group, padding=together) for group in groups]
        states = [rows for group, _ in answers for rows in group]
        return states, np.concatenate([logits for _, logits in answers]) if self._head else None

    def _forward(self, texts: Sequence[Text], *, padding: bool) -> tuple[list[NDArray[np.float32]], Any]:
        import torch

        # A text's answer is the one that it has alone: with padding on its left its positions would be others, and a
        # tokenizer whose model_input_names lack the mask would leave it out.
        inputs = self.tokens(
            texts, padding=padding, padding_side="right", return_attention_mask=True, return_tensors="pt"
        )
        with torch.inference_mode():
            outputs = self._model(**{name: inputs[name] for name in inputs if name in self._inputs})
        hidden = self._states.numpy()
        lengths = inputs["attention_mask"].sum(1).tolist()
        states = [rows[:length] for rows, length in zip(hidden, lengths, strict=True)]
        return states, outputs.logits.numpy() if self._head else None

    def _keep_states(self, _model: Any, _inputs: Any, outputs: Any) -> None:
        # The body's own answer; `hidden_states[-1]` differs from it where a norm follows the last layer.
        self._states = outputs.last_hidden_state
