"""The last look at an answer."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from torchless.errors import InferenceError

_FEW = 64  # numbers that Python looks at in 4 µs, where numpy takes 20 right after a run


def finite(answers: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same answers.

    Raises:
        InferenceError: one is NaN or infinite.
    """
    few = answers.size <= _FEW
    if not (all(map(math.isfinite, answers.ravel().tolist())) if few else np.isfinite(answers).all()):
        raise InferenceError(
            "the model answered with NaN or infinity: a number overflowed. Unless it runs in fp32, try "
            "precision='fp32'."
        )
    return answers
