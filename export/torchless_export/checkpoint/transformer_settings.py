"""How sentence-transformers loads the transformer of its models: what it writes beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchless.errors import shortened, shown
from torchless_export.errors import CheckpointError, UnsupportedModelError

from .files import is_there
from .json_files import read_json

# The files with the transformer's settings, one name per class that wrote them; the first that exists counts.
_FILES = [
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
]
_TOKENIZER = ("processor_kwargs", "tokenizer_args")  # the second is what versions before 5 write
_SECTIONS = (*_TOKENIZER, "config_kwargs", "config_args", "model_kwargs", "model_args", "processing_kwargs")
# What these may name without another answer: how a model is loaded, and the length, which is read.
_NOTHING: tuple[Any, ...] = (None, {}, [], "right")  # the last is a side, the usual one
# Other fields, with the values that mean a text, its last states and their pooling, or a head's logits.
_OTHERS: dict[str, tuple[Any, ...]] = {
    "transformer_task": (None, "feature-extraction", "sequence-classification"),
    "module_output_name": (None, "token_embeddings", "scores"),
    "unpad_inputs": (None, True, False),
    "backend": (None, "torch", "onnx", "openvino"),
}
_MODALITIES = "modality_config"
_OUTPUTS = ("last_hidden_state", "logits")
_FIELDS = {*_SECTIONS, *_OTHERS, _MODALITIES, "tokenizer_name_or_path", "do_lower_case", "max_seq_length"}
_READ = {"model_max_length", "trust_remote_code", "attn_implementation", "torch_dtype", "dtype", "device_map"}
_READ |= {"low_cpu_mem_usage", "use_safetensors", "revision", "code_revision", "cache_dir", "token"}
_READ |= {"local_files_only", "add_pooling_layer", "chat_template"}


@dataclass(frozen=True)
class TransformerSettings:
    """The settings beside a transformer.

    Attributes:
        path: the file that they stand in, or the folder where there is none.
        fields: what it holds.
    """

    path: Path
    fields: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> TransformerSettings:
        """Read the file of a transformer's folder.

        Raises:
            CheckpointError: it is not JSON.
        """
        files = [folder / name for name in _FILES if is_there(folder / name)]
        return cls(*next(((path, found) for path in files if (found := read_json(path))), (folder, {})))

    @property
    def max_tokens(self) -> int | None:
        """The longest text in tokens that they name; None where they name none.

        Raises:
            CheckpointError: it is no number of tokens.
        """
        named = [(f"{name}, model_max_length", self._section(name).get("model_max_length")) for name in _TOKENIZER]
        named.append(("max_seq_length", self.fields.get("max_seq_length")))
        field, limit = next(((field, limit) for field, limit in named if limit is not None), ("", None))
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 4):
            raise CheckpointError(
                f"{self.path}, {field}: expected a whole number of 4 or more, or null, got {shown(limit)}."
            )
        return limit

    def trained_length(self, config: Mapping[str, Any], tokenizer: Any) -> int | None:
        """Where sentence-transformers cuts texts: as the settings say, else where model or tokenizer does first.

        Args:
            config: config.json.
            tokenizer: transformers' own.

        Returns:
            Tokens; None where only the tokenizer's length counts.

        Raises:
            UnsupportedModelError: they change how texts are read or the model runs, which a bundle does not.
            CheckpointError: as `max_tokens`.
        """
        self._refuse_unread()
        normalizer = tokenizer.backend_tokenizer.normalizer
        if self.fields.get("do_lower_case") and (normalizer is None or normalizer.normalize_str("A") != "a"):
            raise self._unsupported("do_lower_case", "false, because the tokenizer itself keeps capitals", "true")
        if (stated := self.max_tokens) is not None:
            return stated
        positions = config.get("max_position_embeddings")
        return int(min(positions, tokenizer.model_max_length)) if isinstance(positions, int) and positions > 0 else None

    def _refuse_unread(self) -> None:
        if other := self.fields.get("tokenizer_name_or_path"):
            raise self._unsupported("tokenizer_name_or_path", "the tokenizer beside the model", repr(other))
        self._refuse_other_ways()
        for name in _SECTIONS:
            section = self._section(name)
            stated = {field: value for field, value in section.items() if field != "use_fast" or value is not True}
            unread = [field for field, value in stated.items() if field not in _READ and value not in _NOTHING]
            if unread:
                raise self._unsupported(name, "no fields that change how texts are read", ", ".join(sorted(unread)))

    def _refuse_other_ways(self) -> None:
        """Refuse fields that make something else of a text, and those that nobody here knows."""
        for field, known in _OTHERS.items():
            if (given := self.fields.get(field)) not in known:
                raise self._unsupported(field, f"one of {', '.join(map(str, known[1:]))}", shown(given))
        modalities = self._section(_MODALITIES)
        plain = [{"method": "forward", "method_output_name": output} for output in _OUTPUTS]
        if modalities and (set(modalities) != {"text"} or modalities["text"] not in plain):
            raise self._unsupported(_MODALITIES, f"text alone, and of it {_OUTPUTS[0]}", shown(dict(modalities)))
        for field, value in self.fields.items():
            if field not in _FIELDS and value is not None:
                raise self._unsupported(field, "no such field, which nothing here reads", shown(value))

    def _section(self, name: str) -> Mapping[str, Any]:
        section = self.fields.get(name) or {}
        if not isinstance(section, Mapping):
            raise CheckpointError(f"{self.path}, {name}: expected an object, got {shown(section)}.")
        return section

    def _unsupported(self, field: str, expected: str, got: str) -> UnsupportedModelError:
        return UnsupportedModelError(
            f"{self.path}, {field}: expected {expected}, got {shortened(got, 80)}. Change the field if the model was "
            "not trained so, or remove modules.json to export the hidden states alone."
        )
