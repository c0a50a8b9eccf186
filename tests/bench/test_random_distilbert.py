from __future__ import annotations

import pytest

from torchless_bench.random_distilbert import SHAPES, vocabulary


@pytest.mark.parametrize("shape", [name for name in SHAPES if "vocab_size" in SHAPES[name]])
def test_a_made_vocabulary_has_the_asked_size_and_no_token_twice(shape: str) -> None:
    size = SHAPES[shape]["vocab_size"]
    assert len(set(vocabulary(size))) == size
