"""What someone trained: config, weights, tokenizer and labels, read from a folder or the Hub."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from torchless.bundle.hub import client
from torchless.bundle.manifest import Activation, Source
from torchless.errors import MissingExtraError

from .errors import CheckpointError, UnsupportedModelError
from .json_files import read_json
from .sentence import SentenceSettings
from .spec import Floats

_SAFETENSORS, _PICKLE = "model.safetensors", "pytorch_model.bin"
_VOCABULARIES = ("tokenizer.json", "vocab*", "*.model", "bpe.codes")
_EXPECTED_TOKENIZER = (
    "Expected tokenizer.json, or tokenizer_config.json with vocab.txt, with vocab.json and merges.txt, or with a "
    "SentencePiece model."
)
_HUB_FILES = ["*.json", "*.txt", "*.model", "README.md", "model*.safetensors", "pytorch_model*.bin"]


@dataclass(frozen=True)
class Checkpoint:
    """A fine-tuned model on disk.

    Attributes:
        folder: where its files lie.
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
            UnsupportedModelError: it brings its own Python code, and nobody said that it may run.
            MissingExtraError: a Hub id without huggingface_hub.
        """
        folder = Path(name)
        if not folder.is_dir():
            if folder.is_absolute() or name.startswith(".") or name.count("/") > 1 or folder.exists():
                raise CheckpointError(f"no checkpoint at {name}: there is no such folder.")
            folder, revision = _download(name, revision, code=trust_remote_code)
        _refuse_adapter(folder)
        config = read_json(folder / "config.json")
        if "model_type" not in config:
            raise CheckpointError(f"{folder / 'config.json'}, model_type: expected a string, got nothing.")
        if not trust_remote_code:
            _refuse_code(folder, config)
        card = _front_matter(folder / "README.md")
        digest = hashlib.sha256()
        for path in _weight_files(folder):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        source = Source(
            name=name if revision else folder.resolve().name,
            revision=revision,
            architecture=str(config["model_type"]),
            license=card.get("license") or None,
            weights_sha256=digest.hexdigest(),
        )
        return cls(folder, config, source, trust_remote_code)

    def with_outputs(self, count: int) -> Checkpoint:
        """The same checkpoint; a config that is silent about labels gets as many as the head has outputs."""
        if self.config.get("id2label") or "num_labels" in self.config:
            return self
        return replace(self, config={**self.config, "num_labels": count})

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names by index; LABEL_0, LABEL_1, … where the config names none, as transformers does."""
        named = self.config.get("id2label")
        if not named:
            return tuple(f"LABEL_{index}" for index in range(self.config.get("num_labels", 2)))
        try:
            by_index = {int(index): str(label) for index, label in named.items()}
        except (AttributeError, ValueError):
            by_index = {}
        if sorted(by_index) != list(range(len(named))):
            raise CheckpointError(
                f"{self.folder / 'config.json'}, id2label: expected names for 0 to {len(named) - 1}, got {named}."
            )
        return tuple(by_index[index] for index in range(len(named)))

    @property
    def activation(self) -> Activation:
        """What turns logits into scores, decided as transformers' text-classification pipeline decides it.

        A config's function_to_apply it never reads: some number of labels is always known, and comes first.
        """
        problem = self.config.get("problem_type")
        if problem == "regression":
            return "none"
        return "sigmoid" if problem == "multi_label_classification" or len(self.labels) == 1 else "softmax"

    def weights(self) -> dict[str, Floats]:
        """Every tensor, as float32.

        Raises:
            CheckpointError: a file is missing, cut short or holds more than tensors.
        """
        arrays: dict[str, Floats] = {}
        for path in _weight_files(self.folder):
            arrays.update(_safetensors(path) if path.suffix == ".safetensors" else _pickled(path))
        return arrays

    def tokenizer_json(self) -> bytes:
        """The tokenizer as transformers would use it, converted to tokenizer.json where it is not one already.

        tokenizer_config.json can overrule what tokenizer.json says (lower-casing, special tokens), so transformers
        reads both. Padding and truncation baked into the file are dropped, and token types where transformers would
        not hand them to the model.
        """
        import tokenizers

        tokenizer = self.transformers_tokenizer
        content = tokenizer.backend_tokenizer.to_str()
        if not _hands_out_types(tokenizer):
            content = json.dumps(_without_types(json.loads(content)), ensure_ascii=False)
        backend = tokenizers.Tokenizer.from_str(content)
        backend.no_padding()
        backend.no_truncation()
        return str(backend.to_str()).encode()

    @cached_property
    def transformers_tokenizer(self) -> Any:
        """The tokenizer that the checkpoint was trained with, as transformers loads it: once, it may take seconds."""
        from transformers import AutoTokenizer

        _require_sentencepiece(self.folder)
        self._require_vocabulary()
        try:
            return AutoTokenizer.from_pretrained(
                self.folder, use_fast=True, local_files_only=True, trust_remote_code=self.trust_remote_code
            )
        except Exception as error:  # transformers raises whatever its backends raise
            raise CheckpointError(f"{self.folder}: no usable tokenizer ({error}). {_EXPECTED_TOKENIZER}") from error

    def _require_vocabulary(self) -> None:
        # Without one transformers 5 does not complain, but makes a tokenizer that knows no words.
        files = [path for kind in _VOCABULARIES for path in self.folder.glob(kind)]
        if not files and not self.trust_remote_code:
            raise CheckpointError(f"{self.folder}: no usable tokenizer. {_EXPECTED_TOKENIZER}")

    @property
    def pairs(self) -> bool:
        """Whether the tokenizer keeps two texts apart, and the model has the token types that it gives them."""
        import tokenizers

        backend = tokenizers.Tokenizer.from_str(self.tokenizer_json().decode())
        apart = backend.num_special_tokens_to_add(True) > backend.num_special_tokens_to_add(False)
        given, known = max(backend.encode("a", "b").type_ids), self.config.get("type_vocab_size") or 0
        matches = not given or not known or (given < known and _hands_out_types(self.transformers_tokenizer))
        return apart and matches

    @property
    def padding_id(self) -> int:
        """The token id that fills up a batch."""
        padding = self.transformers_tokenizer.pad_token_id
        return 0 if padding is None else int(padding)

    def standard_files(self) -> Iterator[tuple[str, bytes]]:
        """What other servers want to find beside a standard graph: its config, and how the tokenizer is set up."""
        for name in ("config.json", "tokenizer_config.json", "special_tokens_map.json"):
            if (self.folder / name).is_file():
                yield name, (self.folder / name).read_bytes()


def _hands_out_types(tokenizer: Any) -> bool:
    return "token_type_ids" in tokenizer.model_input_names


def _without_types(part: Any) -> Any:
    """tokenizer.json, or a part of it, whose post-processor templates give every token the type 0."""
    if isinstance(part, list):
        return [_without_types(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {key: 0 if key == "type_id" else _without_types(value) for key, value in part.items()}


def _refuse_adapter(folder: Path) -> None:
    if (folder / "adapter_config.json").is_file():
        raise CheckpointError(
            f"{folder} is a PEFT adapter, not a whole model. Merge it into its base model first: "
            "AutoPeftModelForSequenceClassification.from_pretrained(folder).merge_and_unload().save_pretrained(merged)."
        )


def _refuse_code(folder: Path, config: Mapping[str, Any]) -> None:
    if "auto_map" in config:
        raise UnsupportedModelError(
            f"{folder / 'config.json'}, auto_map: the model brings Python code of its own, which an export would run "
            f"({', '.join(map(str, config['auto_map'].values()))}). Read it, then pass --trust-remote-code. A bundle "
            "holds no code, and the runtime runs none."
        )


def _require_sentencepiece(folder: Path) -> None:
    """Converting a SentencePiece model to tokenizer.json takes its own package."""
    models = sorted(path.name for path in folder.glob("*.model"))
    if models and not (folder / "tokenizer.json").is_file() and find_spec("sentencepiece") is None:
        raise MissingExtraError(f"reading {folder / models[0]}", "sentencepiece", "export")


def _download(name: str, revision: str | None, *, code: bool) -> tuple[Path, str]:
    hub = client(f"no folder {name}; reading it from the Hub")
    patterns = [*_HUB_FILES, "*.py"] if code else _HUB_FILES
    try:
        folder = Path(hub.snapshot_download(name, revision=revision, allow_patterns=patterns))
    except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError, OSError) as error:
        raise CheckpointError(
            f"no checkpoint {name}: there is no such folder, and the Hub did not give one ({error})."
        ) from error
    return folder, folder.name  # the Hub cache names a snapshot's folder by its commit


def _front_matter(card: Path) -> dict[str, str]:
    """The scalars of a model card's YAML header, without quotes and comments; a list of them joined by commas.

    All that is wanted from it is one line, so no YAML parser is asked for.
    """
    try:
        lines = card.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    if not lines or lines[0].strip() != "---" or "---" not in lines[1:]:
        return {}
    values: dict[str, list[str]] = {}
    key = ""
    for line in lines[1 : lines.index("---", 1)]:
        content = re.sub(r"(^|\s)#.*", "", line).rstrip()
        if found := re.fullmatch(r"([\w-]+):(.*)", content):
            key, value = found[1], found[2].strip()
            values[key] = [item.strip(" '\"") for item in value.strip("[]").split(",")]
        elif found := re.fullmatch(r"\s*-\s+(.*)", content):
            values.setdefault(key, []).append(found[1].strip(" '\""))
    return {key: ", ".join(filter(None, items)) for key, items in values.items()}


def _weight_files(folder: Path) -> list[Path]:
    for name in (_SAFETENSORS, _PICKLE):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = [folder / shard for shard in sorted(set(read_json(index).get("weight_map", {}).values()))]
            missing = [shard.name for shard in shards if not shard.is_file()]
            if missing:
                raise CheckpointError(f"{folder}: {index.name} names shards that are not there: {', '.join(missing)}.")
            return shards
    raise CheckpointError(f"{folder}: no weights; expected {_SAFETENSORS} or {_PICKLE}.")


def _safetensors(path: Path) -> Iterator[tuple[str, Floats]]:
    # Through torch, because numpy has no bfloat16.
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  # not a dict
                yield name, file.get_tensor(name).float().numpy()
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged or cut short ({error}). Download or save it again.") from error


def _pickled(path: Path) -> Iterator[tuple[str, Floats]]:
    import torch

    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            f"{path}: not a file of tensors alone, or damaged ({error}). Save it as model.safetensors."
        ) from error
    for name, tensor in tensors.items():
        yield name, np.asarray(tensor.float().numpy())


def max_tokens(checkpoint: Checkpoint, max_positions: int | None, sentence: SentenceSettings | None) -> int:
    """The longest text in tokens: what the position table holds, or less where tokenizer or encoder settings say so.

    transformers writes 1e30 where nobody set a length.
    """
    stated = checkpoint.transformers_tokenizer.model_max_length
    if stated < 1:
        raise UnsupportedModelError(f"tokenizer_config.json, model_max_length: expected 1 or more, got {stated}.")
    if max_positions is None and stated > 1e9:
        raise UnsupportedModelError(
            "tokenizer_config.json, model_max_length: expected the longest text in tokens, because the model's config "
            f"names no max_position_embeddings, got {stated:g}."
        )
    trained = sentence.max_tokens if sentence else None
    return int(min(limit for limit in (stated, max_positions, trained) if limit is not None))
