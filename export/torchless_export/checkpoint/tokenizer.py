"""The tokenizer of a checkpoint: loaded by transformers, written as tokenizer.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torchless.errors import MissingExtraError
from torchless.inputs.arguments import TextPair
from torchless_export.errors import CheckpointError, UnsupportedModelError, one_line

from .asking import asked, refuse_interruption
from .files import is_there
from .json_files import read_json
from .slow_tokenizer import converted, named_code
from .tokenizer_answers import require_answers
from .tokenizer_files import check_tokenizer_files

_VOCABULARIES = ("tokenizer.json", "vocab*", "*.model", "bpe.codes")
_EXPECTED = (
    "Expected tokenizer.json, or tokenizer_config.json with vocab.txt, with vocab.json and merges.txt, or with a "
    "SentencePiece model."
)
AS_CODE = (
    "runs as Python code alone, so no tokenizer.json can say what it does. Where a fast tokenizer with the same token "
    "ids exists, save it into this folder with save_pretrained, and export again."
)
_FAST_IN_5 = "TokenizersBackend"  # what transformers 5 calls PreTrainedTokenizerFast
_NO_TEXT = "\U0010fffe"  # a code point that stands for no character


def load(folder: Path, config: Any | None = None, *, trust_remote_code: bool) -> tuple[Any, Any | None]:
    """The tokenizer as transformers loads it; this may take seconds.

    Args:
        folder: of the checkpoint.
        config: transformers' own; None lets transformers read it, where it looks at it at all.
        trust_remote_code: whether a tokenizer's own Python code may run.

    Returns:
        One with a `backend_tokenizer`, and the one of Python code that it was converted from, or None.

    Raises:
        CheckpointError: the folder holds none that transformers can use, or one that fails on unknown characters.
        UnsupportedModelError: no tokenizer.json can say what it does.
        MissingExtraError: it is a SentencePiece model, and sentencepiece is not installed.
    """
    check_tokenizer_files(folder)
    _require_sentencepiece(folder)
    if not trust_remote_code:
        _require_vocabulary(folder)
    loader, options = _as_this_version_reads(folder)
    if config is not None:
        options["config"] = config
    try:
        tokenizer = loader.from_pretrained(
            folder, use_fast=True, local_files_only=True, trust_remote_code=trust_remote_code, **options
        )
    except BaseException as error:  # transformers raises whatever its backends raise
        refuse_interruption(error)
        if isinstance(error, ImportError) and (name := named_code(folder)):  # packages that its code asks for
            raise _as_code(folder, name) from error
        advice = "" if is_there(folder / "tokenizer.json") else f" {_EXPECTED}"
        raise CheckpointError(f"{folder}: no usable tokenizer ({one_line(error)}).{advice}") from error
    slow = None if getattr(tokenizer, "backend_tokenizer", None) is not None else tokenizer
    fast = tokenizer if slow is None else converted(slow, folder)
    if fast is None:
        raise _as_code(folder, type(slow).__name__)
    fast.backend_tokenizer.no_padding()  # which would pad what is encoded below; transformers sets it for each call
    fast.backend_tokenizer.no_truncation()
    require_answers(folder, fast.backend_tokenizer)
    return fast, slow


def _as_code(folder: Path, name: str) -> UnsupportedModelError:
    return UnsupportedModelError(f"{folder / 'tokenizer_config.json'}, tokenizer_class: {name} {AS_CODE}")


def _as_this_version_reads(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The class that loads a tokenizer, and arguments for it: transformers 4 does not know two words of version 5."""
    import transformers

    path = folder / "tokenizer_config.json"
    config = read_json(path) if is_there(path) else {}
    if hasattr(transformers, _FAST_IN_5):
        return transformers.AutoTokenizer, {}
    loader = transformers.AutoTokenizer
    if config.get("tokenizer_class") == _FAST_IN_5 and is_there(folder / "tokenizer.json"):
        loader = transformers.PreTrainedTokenizerFast
    tokens = config.get("extra_special_tokens")
    if not isinstance(tokens, list):
        return loader, {}
    return loader, {"extra_special_tokens": {}, "additional_special_tokens": tokens}


def as_json(tokenizer: Any) -> bytes:
    """Transformers' tokenizer as tokenizer.json.

    tokenizer_config.json can overrule what tokenizer.json says (lower-casing, special tokens), so transformers reads
    both. Padding and truncation that are set in the file are dropped, token types where transformers would not pass
    them to the model, and with `split_special_tokens` the recognition of special tokens in a text.
    """
    import tokenizers

    content = tokenizer.backend_tokenizer.to_str()
    if not passes_types(tokenizer):
        content = json.dumps(_without_types(json.loads(content)), ensure_ascii=False)
    if getattr(tokenizer, "split_special_tokens", False):
        content = json.dumps(_without_special_words(json.loads(content)), ensure_ascii=False)
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


def why_no_pairs(tokenizer: Any, type_count: int) -> str | None:
    """Why pairs are not read; None where the tokenizer keeps two texts apart, by types that the model has.

    Args:
        tokenizer: transformers' own.
        type_count: how many token types the model has; 0 for a model without any.
    """
    import tokenizers

    backend = tokenizers.Tokenizer.from_str(as_json(tokenizer).decode())
    if backend.num_special_tokens_to_add(True) <= backend.num_special_tokens_to_add(False):
        return "the tokenizer puts nothing between two texts"
    if not type_count:
        return None
    word = asked(lambda _: next((text for text in _words(backend) if _ids(backend, text)), ""), [])
    given = max(asked(lambda _: backend.encode(word, word).type_ids, [TextPair(word, word)]))
    if not given or (given < type_count and passes_types(tokenizer)):
        return None
    if given < type_count:
        return "the tokenizer tells two texts apart by types, and model_input_names says that the model gets none"
    return f"the tokenizer gives a pair's second text the type {given}, and type_vocab_size is {type_count}"


def _ids(backend: Any, text: str) -> list[int]:
    ids: list[int] = backend.encode(text, add_special_tokens=False).ids
    return ids


def _words(backend: Any) -> Iterator[str]:
    """Texts that may have a token: "a", and what each entry of the vocabulary stands for."""
    yield "a"
    yield from (backend.decode([index]) for index in backend.get_vocab().values())


def _without_special_words(content: dict[str, Any]) -> dict[str, Any]:
    """A tokenizer.json that takes special tokens for what they are spelt like; the post-processor still adds them.

    One that is not in the vocabulary keeps its place under a name that no text has: `tokenizers` numbers in order.
    """
    vocabulary = content["model"].get("vocab", {})
    known = set(vocabulary) if isinstance(vocabulary, dict) else {piece for piece, _ in vocabulary}

    def added() -> Iterator[dict[str, Any]]:
        for token in content["added_tokens"]:
            if not token["special"]:
                yield token
            elif token["content"] not in known:
                name = f"{_NO_TEXT}{token['content']}{_NO_TEXT}"
                yield {**token, "content": name, "normalized": False, "lstrip": False, "rstrip": False}

    return {**content, "added_tokens": list(added())}


def _require_vocabulary(folder: Path) -> None:
    # Without one, transformers 5 raises nothing but makes a tokenizer without words.
    if not [path for kind in _VOCABULARIES for path in folder.glob(kind)]:
        raise CheckpointError(f"{folder}: no usable tokenizer. {_EXPECTED}")


def _require_sentencepiece(folder: Path) -> None:
    """Converting a SentencePiece model to tokenizer.json requires sentencepiece's own package."""
    models = sorted(path.name for path in folder.glob("*.model"))
    if models and not is_there(folder / "tokenizer.json") and find_spec("sentencepiece") is None:
        raise MissingExtraError(f"reading {folder / models[0]}", "sentencepiece", "export")
