"""What a tokenizer's arguments in transformers mean here: `truncation`, `max_length`, `padding`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

from torchless.errors import InputError, shown
from torchless.inputs.arguments import whole_number

from .pipelines import M, Pipeline

TOKENIZER_ARGUMENTS = ("truncation", "max_length", "padding", "add_special_tokens")
_STRATEGIES = {
    True: "longest_first",
    "longest_first": "longest_first",
    "only_first": "only_first",
    False: "do_not_truncate",
    "do_not_truncate": "do_not_truncate",
}
_PADDINGS = (True, False, "longest", "max_length", "do_not_pad")


@dataclass(frozen=True)
class Truncation:
    """Where texts are cut.

    Attributes:
        max_tokens: tokens that are left of a text; None for the model's limit.
        only_first: of a pair the first text alone is cut.
        beyond: what becomes of a text beyond the model's limit. transformers fails on it, unless it cuts.
    """

    max_tokens: int | None
    only_first: bool
    beyond: Literal["cut", "warn", "refuse"]

    @classmethod
    def of(cls, arguments: Mapping[str, Any], limit: int) -> Truncation:
        """Read a tokenizer's arguments, some of which may be missing, for a model with this limit.

        Raises:
            InputError: one has a value that is not known here; the message says which.
        """
        padding = arguments.get("padding", False)
        if not _is_one_of(padding, _PADDINGS):
            raise InputError(f"padding: expected one of {_listed(_PADDINGS)}, got {shown(padding)}.")
        if arguments.get("add_special_tokens", True) is not True:
            raise InputError(
                "add_special_tokens: expected True, because the model was trained with them, got "
                f"{shown(arguments['add_special_tokens'])}."
            )
        max_length = arguments.get("max_length")
        if max_length is not None:
            max_length = whole_number(max_length, "max_length", "a whole number of 1 or more, or None", 2**31 - 1)
        strategy = _strategy(arguments.get("truncation"))
        if strategy is None and max_length is not None and padding is False:
            strategy = "longest_first"
        if strategy is None:
            return cls(None, False, "warn")
        if strategy == "do_not_truncate":
            return cls(None, False, "refuse")
        if max_length is not None and max_length > limit:
            return cls(None, strategy == "only_first", "refuse")
        return cls(max_length, strategy == "only_first", "cut")

    def judge(self, truncated: Iterable[int], limit: int) -> None:
        """Say which inputs were longer than the model's limit, or refuse them.

        Raises:
            InputError: there is one, and it was not to be cut there.
        """
        first = next(iter(truncated), None)
        if first is None or self.beyond == "cut":
            return
        long = f"inputs[{first}] is longer than the {limit} tokens that the model takes"
        if self.beyond == "refuse":
            raise InputError(
                f"{long}, and truncation and max_length do not allow cutting it there. "
                f"Pass truncation=True, and no max_length above {limit}."
            )
        advice = "Pass truncation=True to cut without this warning, or False to make it an error."
        warnings.warn(f"{long}: the rest was not read. {advice}", stacklevel=5)  # the pipeline's caller


class TruncatingPipeline(Pipeline[M]):
    """A pipeline that takes a tokenizer's arguments."""

    def __init__(self, model: M, task: str, parameters: dict[str, Any]) -> None:
        super().__init__(model, task, parameters)
        Truncation.of(self._parameters, model.manifest.max_tokens)

    @cached_property
    def _limited(self) -> Callable[[int], M]:
        return lru_cache(maxsize=8)(self.model.limited)

    def _model_for(self, truncation: Truncation) -> M:
        """The model, cutting texts where it was told to."""
        return self.model if truncation.max_tokens is None else self._limited(truncation.max_tokens)


def _strategy(truncation: Any) -> str | None:
    if truncation is None:
        return None
    if not _is_one_of(truncation, _STRATEGIES):
        raise InputError(f"truncation: expected one of {_listed(_STRATEGIES)} or None, got {shown(truncation)}.")
    return _STRATEGIES[truncation]


def _is_one_of(value: Any, known: Iterable[Any]) -> bool:
    """Whether it is known, where 1 is not True."""
    return isinstance(value, (bool, str)) and value in known


def _listed(known: Iterable[Any]) -> str:
    return ", ".join(map(repr, known))
