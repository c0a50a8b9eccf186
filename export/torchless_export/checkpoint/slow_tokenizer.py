"""Tokenizers that run as Python code: converted by transformers' converters, to be proven by token ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

# What each algorithm's tokenizers hold, whatever their class: what its converter reads.
_ALGORITHMS = (
    ("BertTokenizer", ("wordpiece_tokenizer", "vocab")),
    ("RobertaTokenizer", ("bpe_ranks", "byte_encoder", "encoder")),
    ("XLMRobertaTokenizer", ("sp_model", "vocab_file", "fairseq_offset")),
)
_SETTINGS = ("model_max_length", "padding_side", "truncation_side", "model_input_names", "split_special_tokens")


def converted(slow: Any) -> Any | None:
    """The same tokenizer with a `backend_tokenizer`; None where transformers' converters cannot make one.

    Whether it is the same is for `token_ids` to prove: a class may do more than the one that its converter is for.
    """
    from transformers import PreTrainedTokenizerFast

    for convert in _converters(slow):
        try:
            backend = convert(slow).converted()
            return PreTrainedTokenizerFast(
                tokenizer_object=backend,
                added_tokens_decoder=dict(slow.added_tokens_decoder),
                **{name: getattr(slow, name) for name in _SETTINGS if hasattr(slow, name)},
                **slow.special_tokens_map,
            )
        except Exception:  # a converter reads fields that another class does not have
            continue
    return None


def _converters(slow: Any) -> Iterator[Callable[[Any], Any]]:
    from transformers.convert_slow_tokenizer import SLOW_TO_FAST_CONVERTERS

    names = [kind.__name__ for kind in type(slow).__mro__]
    names += [name for name, fields in _ALGORITHMS if all(hasattr(slow, field) for field in fields)]
    yield from (SLOW_TO_FAST_CONVERTERS[name] for name in names if name in SLOW_TO_FAST_CONVERTERS)
