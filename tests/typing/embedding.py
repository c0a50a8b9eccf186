"""`Encoder` and what it answers."""

from typing import assert_type

import numpy as np
from numpy.typing import NDArray

from torchless import Encoder, TextPair, Windows
from torchless.encoder import Embeddings


def embedding(encoder: Encoder) -> None:
    assert_type(Encoder.load("models/sst2-mini"), Encoder)
    assert_type(encoder.limited(64), Encoder)
    assert_type(encoder.embed(["a", TextPair("a", "b")]), NDArray[np.float32])
    assert_type(encoder.embed(["a"], pooling="max", normalize=False, windows=Windows()), NDArray[np.float32])
    assert_type(encoder.hidden_states(["a"]), list[NDArray[np.float32]])
    assert_type(encoder.padded(["a"]), tuple[NDArray[np.float32], NDArray[np.int64]])
    assert_type(encoder.truncated(["a"]), NDArray[np.bool_])
    assert_type(encoder.answer(["a"]), Embeddings)
    assert_type(encoder.answer(["a"]).vectors, NDArray[np.float32])
    assert_type(encoder.answer(["a"]).windows, NDArray[np.int64])
    encoder.embed(["a"], pooling="sum")  # type: ignore[arg-type]
    encoder.embed(["a"], "mean")  # type: ignore[call-arg]
    encoder.embed([1])  # type: ignore[list-item]
    encoder.predict(["a"])  # type: ignore[attr-defined]
