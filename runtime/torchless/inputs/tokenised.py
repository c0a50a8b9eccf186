"""Texts that have been tokenised before a model is asked about them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .tokens import Batch


class Tokenised(NamedTuple):
    """What `Tokenizer.encode_windows` returns, in the place of texts: the next texts are tokenised meanwhile.

    Attributes:
        batch: the windows of all texts.
        offsets: int64 (n + 1,). The windows of text i are those from offsets[i] to offsets[i + 1].
    """

    batch: Batch
    offsets: NDArray[np.int64]
