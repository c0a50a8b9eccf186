"""A checkpoint, opened and checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torchless.bundle.manifest import Activation, GraphKind, Source
from torchless_export.errors import CheckpointError
from torchless_export.spec import Floats

from . import tokenizer
from .config import head_of, read_config, refuse_setfit
from .cross_encoder import CrossEncoderSettings, cross_encoder_activation
from .download import download
from .files import is_there, refuse_special
from .front_matter import front_matter
from .json_files import read_json
from .labels import labels_of
from .own_code import bring_code, is_the_model, refuse_code
from .sentence import root_of, transformer_folder
from .transformer_settings import TransformerSettings
from .weight_files import read_weights, sha256_of, weight_files

_MOST_TOKENS = 100_000


@dataclass(frozen=True)
class Checkpoint:
    """A fine-tuned model on disk.

    Attributes:
        folder: where its config, weights and tokenizer lie; of a sentence-transformers model, the transformer's part.
        config: config.json.
        source: where it came from, for the manifest.
        trust_remote_code: whether Python code that the checkpoint brings along may run.
    """

    folder: Path
    config: Mapping[str, Any]
    source: Source
    trust_remote_code: bool = False

    @classmethod
    def open(cls, name: str, revision: str | None = None, *, trust_remote_code: bool = False) -> Checkpoint:
        """Open a local folder, or download a Hub id; a folder never touches the network.

        Raises:
            CheckpointError: nothing is there, a file is missing or damaged, or it is an adapter without its model.
            UnsupportedModelError: it brings its own Python code, and trust_remote_code is false.
            MissingExtraError: a Hub id without huggingface_hub.
        """
        folder = Path(name)
        online = not folder.is_dir()
        if online:
            if folder.is_absolute() or name.startswith(".") or name.count("/") > 1 or folder.exists():
                raise CheckpointError(f"no checkpoint at {name}: there is no such folder.")
            folder, revision = download(name, revision, code=trust_remote_code)
        folder = transformer_folder(folder)
        whole = root_of(folder) or folder
        _refuse_adapter(folder)
        config = read_config(folder)
        refuse_special(folder)
        if trust_remote_code:
            bring_code(folder, fetch=online)
        else:
            refuse_code(folder, config)
        source = Source(
            name=name if revision else os.fsencode(whole.resolve().name).decode(errors="replace"),
            revision=revision,
            architecture=str(config["model_type"]),
            license=front_matter(whole / "README.md").get("license") or None,
            weights_sha256=sha256_of(weight_files(folder)),
        )
        return cls(folder, config, source, trust_remote_code)

    def with_outputs(self, count: int | None) -> Checkpoint:
        """The same checkpoint; where its config names no labels, it gets as many as the head has outputs.

        Args:
            count: of the head's outputs; None without a head.
        """
        if count is None or self.config.get("id2label") or "num_labels" in self.config:
            return self
        return replace(self, config={**self.config, "num_labels": count})

    @property
    def head(self) -> GraphKind:
        """What its head classifies, texts or tokens, by the class that config.json names.

        Raises:
            UnsupportedModelError: the head does neither, or is SetFit's.
        """
        refuse_setfit(root_of(self.folder) or self.folder)
        return head_of(self.folder, self.config)

    @property
    def names_its_type(self) -> bool:
        """Whether its config.json has a model_type, without which transformers loads nothing by itself."""
        return read_json(self.folder / "config.json").get("model_type") is not None

    def transformers_config(self, **settings: Any) -> Any:
        """Its config as transformers reads it, with other settings."""
        from transformers import CONFIG_MAPPING, AutoConfig

        if not self.names_its_type:
            return CONFIG_MAPPING[self.config["model_type"]].from_pretrained(self.folder, **settings)
        return AutoConfig.from_pretrained(
            self.folder, local_files_only=True, trust_remote_code=self.trust_remote_code, **settings
        )

    @property
    def runs_own_code(self) -> bool:
        """Whether Python code of its own says what the model computes, and not its architecture."""
        return self.trust_remote_code and is_the_model(self.config)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names by index; LABEL_0, LABEL_1, … where the config names none, as transformers does.

        Raises:
            CheckpointError: as in `labels_of`.
        """
        named = self.config.get("id2label")
        if not named:
            return tuple(f"LABEL_{index}" for index in range(self.config.get("num_labels", 2)))
        return labels_of(self.folder / "config.json", named)

    @property
    def activation(self) -> Activation:
        """What turns logits into scores: what a CrossEncoder names, else what transformers' pipeline decides."""
        named = cross_encoder_activation(root_of(self.folder) or self.folder, self.config)
        return named if named and self.head != "token_classifier" else self.pipeline_activation

    @property
    def pipeline_activation(self) -> Activation:
        """What transformers' pipeline decides.

        It never reads a config's function_to_apply: it looks at the number of labels first, which is always known. It
        has a softmax for tokens, whatever the config says.
        """
        if self.head == "token_classifier":
            return "softmax"
        problem = self.config.get("problem_type")
        if problem == "regression":
            return "none"
        return "sigmoid" if problem == "multi_label_classification" or len(self.labels) == 1 else "softmax"

    @property
    def half_precision(self) -> str | None:
        """The 16-bit floats that transformers' pipeline would compute in; None for float32."""
        named = str(self.config.get("dtype") or self.config.get("torch_dtype")).removeprefix("torch.")
        return named if named in ("float16", "bfloat16") else None

    @property
    def cross_encoder(self) -> CrossEncoderSettings:
        """How sentence-transformers' CrossEncoder would score pairs with it.

        Raises:
            UnsupportedModelError, CheckpointError: as in `CrossEncoderSettings.read`.
        """
        return CrossEncoderSettings.read(self.folder, self.config, len(self.labels))

    def weights(self) -> dict[str, Floats]:
        """Every tensor, as float32.

        Raises:
            CheckpointError: a file is missing, cut short or holds more than tensors.
        """
        return read_weights(self.folder)

    @cached_property
    def _tokenizers(self) -> tuple[Any, Any | None]:
        config = None if self.names_its_type else self.transformers_config()
        return tokenizer.load(self.folder, config, trust_remote_code=self.trust_remote_code)

    @property
    def transformers_tokenizer(self) -> Any:
        """The tokenizer that the checkpoint was trained with, as transformers loads it; loaded once.

        Raises:
            CheckpointError, UnsupportedModelError, MissingExtraError: as in `tokenizer.load`.
        """
        return self._tokenizers[0]

    @property
    def slow_tokenizer(self) -> Any | None:
        """The tokenizer of Python code that `transformers_tokenizer` was converted from; None where it was not."""
        return self._tokenizers[1]

    def tokenizer_json(self) -> bytes:
        """The tokenizer as transformers would use it, converted to tokenizer.json where it is not one already."""
        return tokenizer.as_json(self.transformers_tokenizer)

    @property
    def pairs(self) -> bool:
        """Whether the tokenizer keeps two texts apart, and the model has the token types that it gives them."""
        return self.why_no_pairs is None

    @property
    def why_no_pairs(self) -> str | None:
        """Why pairs are not read; None where they are."""
        if (slow := self.slow_tokenizer) is not None:
            return f"{type(slow).__name__}, which is Python code, cuts pairs that are too long at other tokens"
        return tokenizer.why_no_pairs(self.transformers_tokenizer, self.config.get("type_vocab_size") or 0)

    @property
    def stated_length(self) -> int:
        """Longest text in tokens that the tokenizer or sentence-transformers names; 0 where both name none.

        A length beyond any model counts as none.
        """
        trained = TransformerSettings.read(self.folder).max_tokens if root_of(self.folder) else None
        stated = (self.transformers_tokenizer.model_max_length, trained or 0)
        return max(int(length) if 0 < length <= _MOST_TOKENS else 0 for length in stated)

    @property
    def padding_id(self) -> int:
        """The token id that fills up a batch: the model's (RoBERTa counts positions by it), else the tokenizer's."""
        stated = (self.config.get("pad_token_id"), self.transformers_tokenizer.pad_token_id)
        return int(next((padding for padding in stated if padding is not None), 0))


def _refuse_adapter(folder: Path) -> None:
    path = folder / "adapter_config.json"
    if is_there(path):
        kind = "Token" if read_json(path).get("task_type") == "TOKEN_CLS" else "Sequence"
        raise CheckpointError(
            f"{folder} is a PEFT adapter, not a whole model. Merge it into its base model first: "
            f"AutoPeftModelFor{kind}Classification.from_pretrained(folder).merge_and_unload().save_pretrained(merged)."
        )
