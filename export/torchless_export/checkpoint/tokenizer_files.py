"""A tokenizer's files, checked before transformers reads them: its own errors name neither file nor field."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torchless.errors import shown
from torchless_export.errors import CheckpointError, one_line

from .asking import refuse_interruption
from .files import MOST_BYTES_OF_VOCABULARY, content_of, is_there, refuse_size
from .json_files import read_json

_CONFIG, _FAST = "tokenizer_config.json", "tokenizer.json"
_MOST_GAPS = 1 << 20  # ids without a token; a vocabulary from which tokens were taken out has them
_VOCABULARIES = (_FAST, "vocab.json", "merges.txt", "vocab.txt")
_OTHERS = ("special_tokens_map.json", "added_tokens.json")
_SIDES = ("left", "right")
_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_SWITCHES = (
    *("do_lower_case", "split_special_tokens", "add_prefix_space", "strip_accents", "tokenize_chinese_chars"),
    *("clean_up_tokenization_spaces", "add_bos_token", "add_eos_token", "keep_accents", "trim_offsets"),
)

Check = tuple[Callable[[Any], bool], str]


def check_tokenizer_files(folder: Path) -> None:
    """Refuse what transformers would fail on.

    Raises:
        CheckpointError: a file is damaged, or a field is not what it should be; the message names both.
    """
    for name in _VOCABULARIES:
        refuse_size(folder / name, MOST_BYTES_OF_VOCABULARY)
    config = read_json(folder / _CONFIG) if is_there(folder / _CONFIG) else {}
    _check_fields(folder / _CONFIG, config)
    for name in _OTHERS:
        if is_there(folder / name) and "added_tokens_decoder" not in config:  # else they are of the past
            read_json(folder / name)
    if is_there(folder / _FAST):
        _check_fast(folder / _FAST)
    elif is_there(folder / "vocab.json"):
        _check_vocabulary(folder / "vocab.json")


def _check_fields(path: Path, config: Mapping[str, Any]) -> None:
    """A field that is null has transformers' default, as one that is not there; but the names of inputs have none."""
    side: Check = (lambda value: value in _SIDES, "left or right")
    token: Check = (_is_token, "a string, or an object with a string as its content")
    switch: Check = (lambda value: isinstance(value, bool), "true or false")
    checks: dict[str, Check] = {
        **dict.fromkeys(("truncation_side", "padding_side"), side),
        **dict.fromkeys(_TOKENS, token),
        **dict.fromkeys(_SWITCHES, switch),
        "model_max_length": (_is_number, "the longest text in tokens"),
        "tokenizer_class": (lambda value: isinstance(value, str), "the name of a class"),
        "model_input_names": (_are_texts, "a list of names"),
        "added_tokens_decoder": (_are_added, "an object of tokens by their ids"),
        "auto_map": (lambda value: isinstance(value, Mapping), "an object"),
    }
    for field, (fits, expected) in checks.items():
        value = config.get(field)
        given = value is not None or (field == "model_input_names" and field in config)
        if given and not fits(value):
            raise CheckpointError(f"{path}, {field}: expected {expected}, got {shown(value)}.")


def _is_token(value: Any) -> bool:
    return isinstance(value.get("content") if isinstance(value, Mapping) else value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _are_added(value: Any) -> bool:
    return isinstance(value, Mapping) and all(key.isdecimal() and _is_token(token) for key, token in value.items())


def _check_fast(path: Path) -> None:
    import tokenizers

    try:
        vocabulary = tokenizers.Tokenizer.from_file(str(path)).get_vocab()
    except BaseException as error:
        refuse_interruption(error)
        raise CheckpointError(
            f"{path}: not a tokenizer that `tokenizers` {tokenizers.__version__} reads ({one_line(error)}). "
            "Download or save it again."
        ) from error
    _refuse_ids(f"{path}, model.vocab", vocabulary)


def _check_vocabulary(path: Path) -> None:
    try:
        vocabulary = json.loads(content_of(path, MOST_BYTES_OF_VOCABULARY))
    except (OSError, ValueError, RecursionError):  # transformers may not read it, or says what it misses
        return
    if isinstance(vocabulary, dict):
        _refuse_ids(str(path), {token: index for token, index in vocabulary.items() if isinstance(index, int)})


def _refuse_ids(where: str, vocabulary: Mapping[str, int]) -> None:
    """`tokenizers` walks over and prints all ids up to the largest when it writes itself down."""
    most = len(vocabulary) + _MOST_GAPS
    token = max(vocabulary, key=lambda name: vocabulary[name], default="")
    if token and vocabulary[token] > most:
        raise CheckpointError(
            f"{where}: expected ids up to {most:,}, because it has {len(vocabulary):,} tokens, got "
            f"{shown(vocabulary[token])} for {shown(token)}."
        )
