"""The last look at an answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torchless.errors import InferenceError


def finite(answers: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same answers.

    Raises:
        InferenceError: one is NaN or infinite.
    """
    if not np.isfinite(answers).all():
        raise InferenceError(
            "the model answered with NaN or infinity. Its weights overflow at this precision; try precision='fp32'."
        )
    return answers
