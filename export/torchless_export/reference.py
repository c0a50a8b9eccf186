"""The checkpoint as PyTorch runs it: the judge of everything that this package builds."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from torchless.bundle.manifest import GraphKind
from torchless.inputs.arguments import Text, TextPair

from .checkpoint import Checkpoint
from .checkpoint.asking import asked
from .checkpoint.rope import rope_for_this_version
from .errors import CheckpointError, ExportError, UnsupportedModelError, one_line
from .samples import built_in
from .tokenizer_texts import of_vocabulary
from .word_table import refuse_tokens_without_row

_T = TypeVar("_T")
Arrays = list[NDArray[np.float32]]  # one per text
_LOADERS: Mapping[GraphKind, str] = {
    "encoder": "AutoModel",
    "classifier": "AutoModelForSequenceClassification",
    "token_classifier": "AutoModelForTokenClassification",
}
_WHAT: Mapping[GraphKind, str] = {
    "encoder": "a body without a head",
    "classifier": "a text classifier",
    "token_classifier": "a token classifier",
}
# Of the body alone, where AutoModel's also asks for a decoder's input; sentence-transformers takes these, too.
_ENCODERS: Mapping[str, str] = {
    "t5": "T5EncoderModel",
    "mt5": "MT5EncoderModel",
    "umt5": "UMT5EncoderModel",
    "longt5": "LongT5EncoderModel",
    "switch_transformers": "SwitchTransformersEncoderModel",
}

# Fields of config.json that change the class of an answer, not the answer.
_OVERRULED: Mapping[str, Any] = {"torchscript": False, "return_dict": True}


class Reference:
    """A checkpoint loaded by transformers, in float32 on the CPU.

    Attributes:
        kind: which head the model has; "encoder" for none.
        inputs: what its forward pass takes, by name.
        max_tokens: where texts are cut; None reads them whole.
        tokenizer: the checkpoint's own, with a `backend_tokenizer`.
        slow_tokenizer: what that was converted from, which then answers in `tokens`; None where it was not converted.
        missing: tensors that the checkpoint lacks; transformers filled them with random numbers.
        unexpected: tensors that transformers ignored.

    Raises:
        UnsupportedModelError: transformers cannot load it; the cause is chained.
        CheckpointError: the model has no row for a token that its tokenizer gives.
    """

    def __init__(self, checkpoint: Checkpoint, max_tokens: int | None, kind: GraphKind) -> None:
        self._checkpoint, self.kind = checkpoint, kind
        model, found = self._tried(self._loaded)
        self._model: Any = model.eval()
        self.missing = sorted(found["missing_keys"])
        self.unexpected = sorted(found["unexpected_keys"])
        # Not every model takes all that its tokenizer answers: DistilBERT has no token types.
        self.inputs = set(inspect.signature(self._model.forward).parameters)
        self.tokenizer: Any = checkpoint.transformers_tokenizer
        self.slow_tokenizer: Any = checkpoint.slow_tokenizer
        self.max_tokens = max_tokens
        refuse_tokens_without_row(checkpoint.folder, self.tokenizer.backend_tokenizer, self._model)

    def _loaded(self) -> Any:
        import torch
        import transformers

        config = self._checkpoint.config
        name = _LOADERS[self.kind]
        if not self.head and not self._checkpoint.runs_own_code:
            name = _ENCODERS.get(config["model_type"], name)
        loader = getattr(transformers, name)
        settings = {name: value for name, value in _OVERRULED.items() if config.get(name, value) != value}
        settings |= rope_for_this_version(config)
        if self.head:
            settings["num_labels"] = len(self._checkpoint.labels)
        where: dict[str, Any] = {
            "pretrained_model_name_or_path": self._checkpoint.folder,
            "local_files_only": True,
            "trust_remote_code": self._checkpoint.trust_remote_code,
        }
        flash = config.get("_attn_implementation") not in (None, "eager", "sdpa")  # it runs on GPUs alone
        if flash or not self._checkpoint.names_its_type:
            settings = {"config": self._checkpoint.transformers_config(**settings)}
        if flash:
            settings["config"]._attn_implementation = "eager"  # noqa: SLF001
        return loader.from_pretrained(**where, dtype=torch.float32, output_loading_info=True, **settings)

    def _tried(self, step: Callable[[], _T]) -> _T:
        """What a step returns; its error, which can be of any class, becomes one of ours."""
        try:
            return step()
        except (ExportError, MemoryError):
            raise
        except Exception as error:
            kind = _WHAT[self.kind]
            raise UnsupportedModelError(
                f"{self._checkpoint.folder}: transformers cannot run {self._checkpoint.config['model_type']!r} as "
                f"{kind} ({type(error).__name__}: {one_line(error)})."
            ) from error

    def refuse_unread(self, names: Sequence[str]) -> None:
        """Refuse tensors that the graphs leave out and transformers does not.

        Raises:
            CheckpointError: there are some.
        """
        left = [name for name in names if not self._leaves_out(name)]
        if left:
            raise CheckpointError(
                f"{self._checkpoint.folder}: {len(left)} tensors that this architecture does not have: "
                f"{', '.join(left[:5])}{', …' if len(left) > 5 else ''}. A graph without them would answer differently."
            )

    def _leaves_out(self, name: str) -> bool:
        """Whether transformers leaves a tensor out: it said so, or the class has a rule to say nothing of it."""
        today = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        if any(today.endswith(other) for other in self.unexpected):
            return True
        rules = getattr(self._model, "_keys_to_ignore_on_load_unexpected", None) or ()
        return any(re.search(rule, name) for rule in rules) and today not in self._model.state_dict()

    @property
    def head(self) -> bool:
        """Whether the model has a head."""
        return self.kind != "encoder"

    @property
    def model(self) -> Any:
        """The PyTorch model."""
        return self._model

    def example(self, max_tokens: int) -> dict[str, Any]:
        """Two short texts as the model's inputs, padded on the right: int64 (2, longest) each, the mask among them."""
        import torch

        texts = [*built_in()[:2], *of_vocabulary(self.tokenizer, max_tokens)]  # a tokenizer may know no English
        tokens = self.tokens(texts, truncation=True, max_length=max_tokens)
        read = [index for index, row in enumerate(tokens["input_ids"]) if row][:2]
        tokens = {name: [rows[index] for index in read] for name, rows in tokens.items()}
        longest = max(map(len, tokens["input_ids"]))
        fill = {"input_ids": self._checkpoint.padding_id}
        masks = [[1] * len(row) for row in tokens["input_ids"]]
        given = {name: tokens[name] for name in tokens if name in self.inputs}
        if "attention_mask" in self.inputs:
            given["attention_mask"] = masks
        return {
            name: torch.tensor([[*row, *[fill.get(name, 0)] * (longest - len(row))] for row in rows])
            for name, rows in given.items()
        }

    @property
    def body(self) -> Any:
        """The PyTorch model without its head."""
        return self._model.base_model

    def input_ids(self, texts: Sequence[Text]) -> list[list[int]]:
        """Token ids of each text, special tokens included, cut at the limit."""
        ids: list[list[int]] = self.tokens(texts)["input_ids"]
        return ids

    def tokens(self, texts: Sequence[Text], **options: Any) -> Any:
        """What the checkpoint's tokenizer answers to texts, or to pairs, cut at the limit unless options say otherwise.

        Args:
            texts: n texts, or n pairs.
            options: of transformers' tokenizers.

        Raises:
            CheckpointError: the tokenizer fails on a text.
        """
        cut = {"truncation": self.max_tokens is not None, "max_length": self.max_tokens}
        tokenizer = self.slow_tokenizer or self.tokenizer
        return asked(lambda some: tokenizer(*_given(some), **{**cut, **options}), texts)

    def run(self, texts: Sequence[Text]) -> tuple[Arrays, Arrays | None]:
        """Run texts or pairs without any padding, as the pipeline runs one text: not every model is indifferent to it.

        Texts of one length share a pass where the model allows that.

        Returns:
            The last hidden states of each text, float32 (tokens_i, hidden_size), and its logits, float32 (labels,), or
            (tokens_i, labels) of a head that classifies tokens; None without a head.

        Raises:
            UnsupportedModelError: the model cannot be run; the cause is chained.
        """
        tokens = self.tokens(texts)
        states: dict[int, NDArray[np.float32]] = {}
        logits: dict[int, NDArray[np.float32]] = {}
        for group in self._groups([len(ids) for ids in tokens["input_ids"]]):
            inputs = {name: [tokens[name][index] for index in group] for name in tokens if name in self.inputs}
            hidden, answers = self._tried(partial(self._pass, inputs))
            states.update(zip(group, hidden, strict=True))
            logits.update(zip(group, answers, strict=True))
        order = range(len(texts))
        return [states[index] for index in order], [logits[index] for index in order] if self.head else None

    def run_exactly(self, texts: Sequence[Text]) -> tuple[Arrays, Arrays | None]:
        """`run` in float64, which tells how far PyTorch's own float32 is from exact; every array is float64."""
        self._model.double()
        try:
            return self.run(texts)
        finally:
            self._model.float()

    def _groups(self, lengths: Sequence[int]) -> list[list[int]]:
        """Which texts share a pass: those of one length; each alone where the model compares rows, or lacks padding."""
        by_length: dict[int, list[int]] = {}
        for index, length in enumerate(lengths):
            by_length.setdefault(length, []).append(index)
        config = self._model.config
        # BART and T5 ask for the same number of <eos> in every row.
        if getattr(config, "pad_token_id", None) is None or getattr(config, "is_encoder_decoder", False):
            return [[index] for index in range(len(lengths))]
        return list(by_length.values())

    def _pass(self, inputs: Mapping[str, list[list[int]]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Hidden states float32 (texts, tokens, hidden_size), and each text's logits; the states without a head."""
        import torch

        kept: list[Any] = []
        # The body's own answer; `hidden_states[-1]` differs from it where a norm follows the last layer.
        hook = self.body.register_forward_hook(lambda _model, _inputs, outputs: kept.append(outputs[0]))
        try:
            with torch.inference_mode():
                outputs = self._model(**{name: torch.tensor(rows) for name, rows in inputs.items()})
        finally:
            hook.remove()
        hidden: Any = kept[-1] if kept else None
        if getattr(hidden, "ndim", 0) != 3:
            raise TypeError("its body answers no hidden states")
        return hidden.numpy(), outputs.logits.numpy() if self.head else hidden.numpy()


def _given(texts: Sequence[Text]) -> tuple[list[str], ...]:
    """The arguments that transformers takes texts as, or pairs."""
    singles = [text for text in texts if isinstance(text, str)]
    pairs = [text for text in texts if isinstance(text, TextPair)]
    assert not (singles and pairs), "transformers takes texts or pairs, not both at once"
    return ([pair.first for pair in pairs], [pair.second for pair in pairs]) if pairs else (singles,)
