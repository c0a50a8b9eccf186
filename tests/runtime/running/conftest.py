"""Batches of made-up tokens."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from torchless.inputs.tokens import Batch


@pytest.fixture(scope="session")
def batch_of() -> Callable[[list[int]], Batch]:
    """Texts of these lengths: token ids count from 0 through all of them, types are 0 and 1 in turn."""

    def batch_of(lengths: list[int]) -> Batch:
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        types = np.arange(offsets[-1], dtype=np.int32) % 2
        return Batch(np.arange(offsets[-1], dtype=np.int32), offsets, np.zeros(len(lengths), np.bool_), types)

    return batch_of
