"""One input, a list, or a generator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from torchless.errors import InputError


def test_an_empty_list_has_an_empty_answer(classify: Any, choose: Any, extract: Any) -> None:
    assert classify([]) == extract([]) == choose([], ["a", "b"]) == []
    assert list(classify(text for text in ())) == []


def test_a_generator_is_read_in_batches_as_its_outputs_are_asked_for(classify: Any) -> None:
    read = []

    def texts() -> Iterator[str]:
        for text in ("a", "b", "c", "d"):
            read.append(text)
            yield text

    outputs = classify(texts(), batch_size=3, top_k=1)
    assert read == []
    assert next(outputs) == classify("a", top_k=1)
    assert read == ["a", "b", "c"]
    assert len(list(outputs)) == 3
    with pytest.raises(InputError, match="foo"):
        classify(texts(), foo=1)  # at once, and not when the first output is asked for
