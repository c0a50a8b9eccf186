"""Tokenizers that run as Python code: converted by transformers' converters, to be proven by token ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .files import is_there
from .json_files import read_json

# What each algorithm's tokenizers hold, whatever their class: what its converter reads.
_ALGORITHMS = (
    ("BertTokenizer", ("wordpiece_tokenizer", "vocab")),
    ("RobertaTokenizer", ("bpe_ranks", "byte_encoder", "encoder")),
    ("XLMRobertaTokenizer", ("sp_model", "vocab_file", "fairseq_offset")),
)
_SETTINGS = ("model_max_length", "padding_side", "truncation_side", "model_input_names", "split_special_tokens")


def named_code(folder: Path) -> str | None:
    """The class that tokenizer_config.json names, where transformers has it as Python code alone; else None."""
    import transformers

    path = folder / "tokenizer_config.json"
    name = read_json(path).get("tokenizer_class") if is_there(path) else None
    kind: Any = getattr(transformers, name, None) if isinstance(name, str) else None
    fast = getattr(transformers, f"{name}Fast", kind)  # version 5 answers the same class
    return name if kind and fast is kind and not issubclass(kind, transformers.PreTrainedTokenizerFast) else None


def converted(slow: Any, folder: Path) -> Any | None:
    """The same tokenizer with a `backend_tokenizer`; None where nothing can make one.

    It comes from transformers' converters, else from a tokenizer.json that the class itself does not read. Whether it
    is the same is for `token_ids` to prove: a class may do more than the one that its converter is for.
    """
    from transformers import PreTrainedTokenizerFast

    for backend in _backends(slow, folder):
        try:
            return PreTrainedTokenizerFast(
                tokenizer_object=backend(),
                added_tokens_decoder=dict(slow.added_tokens_decoder),
                **{name: getattr(slow, name) for name in _SETTINGS if hasattr(slow, name)},
                **slow.special_tokens_map,
            )
        except Exception:  # a converter reads fields that another class does not have
            continue
    return None


def _backends(slow: Any, folder: Path) -> Iterator[Callable[[], Any]]:
    from tokenizers import Tokenizer
    from transformers.convert_slow_tokenizer import SLOW_TO_FAST_CONVERTERS

    names = [kind.__name__ for kind in type(slow).__mro__]
    names += [name for name, fields in _ALGORITHMS if all(hasattr(slow, field) for field in fields)]
    for convert in (SLOW_TO_FAST_CONVERTERS[name] for name in names if name in SLOW_TO_FAST_CONVERTERS):
        yield partial(lambda kind: kind(slow).converted(), convert)
    if is_there(folder / "tokenizer.json"):
        yield partial(Tokenizer.from_file, str(folder / "tokenizer.json"))
