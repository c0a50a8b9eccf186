"""float16 for GPUs: half the bytes, and products on tensor cores, which accumulate in float32.

The head, LayerNormalization's sums and softmax stay in float32: a logit of 5 has only 8 bits behind the point in
float16, and onnxruntime's kernels see to the other two.
"""

from __future__ import annotations

import numpy as np

from .fp32 import Fp32


class Fp16(Fp32):
    """Weights and activations in float16."""

    floats: np.dtype[np.floating] = np.dtype(np.float16)
