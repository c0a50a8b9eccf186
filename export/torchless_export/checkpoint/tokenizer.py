"""The tokenizer of a checkpoint: loaded by transformers, written as tokenizer.json."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torchless.errors import MissingExtraError
from torchless_export.errors import CheckpointError

_VOCABULARIES = ("tokenizer.json", "vocab*", "*.model", "bpe.codes")
_EXPECTED = (
    "Expected tokenizer.json, or tokenizer_config.json with vocab.txt, with vocab.json and merges.txt, or with a "
    "SentencePiece model."
)


def load(folder: Path, *, trust_remote_code: bool) -> Any:
    """The tokenizer as transformers loads it; this may take seconds.

    Raises:
        CheckpointError: the folder holds none that transformers can use.
        MissingExtraError: it is a SentencePiece model, and sentencepiece is not installed.
    """
    from transformers import AutoTokenizer

    _require_sentencepiece(folder)
    if not trust_remote_code:
        _require_vocabulary(folder)
    try:
        return AutoTokenizer.from_pretrained(
            folder, use_fast=True, local_files_only=True, trust_remote_code=trust_remote_code
        )
    except Exception as error:  # transformers raises whatever its backends raise
        raise CheckpointError(f"{folder}: no usable tokenizer ({error}). {_EXPECTED}") from error


def as_json(tokenizer: Any) -> bytes:
    """Transformers' tokenizer as tokenizer.json.

    tokenizer_config.json can overrule what tokenizer.json says (lower-casing, special tokens), so transformers reads
    both. Padding and truncation that are set in the file are dropped, and token types where transformers would not
    pass them to the model.
    """
    import tokenizers

    content = tokenizer.backend_tokenizer.to_str()
    if not passes_types(tokenizer):
        content = json.dumps(_without_types(json.loads(content)), ensure_ascii=False)
    backend = tokenizers.Tokenizer.from_str(content)
    backend.no_padding()
    backend.no_truncation()
    return str(backend.to_str()).encode()


def passes_types(tokenizer: Any) -> bool:
    """Whether transformers passes the token types to the model."""
    return "token_type_ids" in tokenizer.model_input_names


def _without_types(part: Any) -> Any:
    """tokenizer.json, or a part of it, whose post-processor templates give every token the type 0."""
    if isinstance(part, list):
        return [_without_types(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {key: 0 if key == "type_id" else _without_types(value) for key, value in part.items()}


def _require_vocabulary(folder: Path) -> None:
    # Without one, transformers 5 raises nothing but makes a tokenizer without words.
    if not [path for kind in _VOCABULARIES for path in folder.glob(kind)]:
        raise CheckpointError(f"{folder}: no usable tokenizer. {_EXPECTED}")


def _require_sentencepiece(folder: Path) -> None:
    """Converting a SentencePiece model to tokenizer.json requires sentencepiece's own package."""
    models = sorted(path.name for path in folder.glob("*.model"))
    if models and not (folder / "tokenizer.json").is_file() and find_spec("sentencepiece") is None:
        raise MissingExtraError(f"reading {folder / models[0]}", "sentencepiece", "export")
