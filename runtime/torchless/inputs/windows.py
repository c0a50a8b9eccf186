"""How a text that is longer than a model takes is read in windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from .arguments import choice, whole_number

Combination = Literal["mean", "max", "first"]


@dataclass(frozen=True)
class Windows:
    """Windows over a long text; one that fits has one window. Of a pair, the windows go over the first text.

    Attributes:
        stride: tokens that a window shares with the one before it, as `tokenizers` and `transformers` define it.
        combine: one answer from the windows' scores: their "mean", the "max" of each label (a softmax's then need not
            sum to 1), or that of the "first" window, the only one that is run then. Windows begin at a text's end for
            a model with left truncation, whose first window is the last part of the text.
        size: tokens of a window, special tokens included; None takes the model's limit.

    Raises:
        InputError: stride is negative, combine is unknown, or size is not a whole number of 1 or more.
    """

    stride: int = 0
    combine: Combination = "mean"
    size: int | None = None

    def __post_init__(self) -> None:
        whole_number(self.stride, "stride", "a whole number of 0 or more", 2**31 - 1, least=0)
        choice(self.combine, "combine", get_args(Combination))
        if self.size is not None:
            whole_number(self.size, "size", "a whole number of 1 or more, or None for the model's limit", 2**31 - 1)
