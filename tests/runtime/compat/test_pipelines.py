"""One input, a list, or a generator."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from torchless.compat import pipeline
from torchless.errors import InputError


def test_an_empty_list_has_an_empty_answer(classify: Any, choose: Any, extract: Any) -> None:
    assert classify([]) == extract([]) == choose([], ["a", "b"]) == []
    assert list(classify(text for text in ())) == []


@pytest.mark.parametrize(
    ("pipe", "arguments", "parameters"),
    [
        ("classify", ["good"], {"truncation": True, "max_length": 8}),
        ("extract", ["good"], {"tokenize_kwargs": {"truncation": True, "max_length": 8}}),
        ("choose", ["good", ["a", "b"]], {}),
        ("tag", ["a man in a boat " * 20], {"stride": 4, "aggregation_strategy": "simple"}),
    ],
)
def test_a_pipeline_answers_the_same_in_another_process(
    pipe: str, arguments: list[Any], parameters: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    pipe = request.getfixturevalue(pipe)
    expected = pipe(*arguments, **parameters)  # what it has made for this call is left behind
    code = "import pickle, sys; pipe, a, p = pickle.load(sys.stdin.buffer); print(repr(pipe(*a, **p)))"
    pickled = pickle.dumps((pipe, arguments, parameters))
    done = subprocess.run([sys.executable, "-c", code], input=pickled, capture_output=True, timeout=60, check=True)
    assert done.stdout.decode().rstrip() == repr(expected)
    for copied in (copy.copy(pipe), copy.deepcopy(pipe)):
        assert copied(*arguments, **parameters) == expected


def test_a_pipeline_keeps_its_parameters_in_a_pickle(tiny: Path) -> None:
    pipe = pipeline("text-classification", model=tiny, top_k=2, function_to_apply="sigmoid", batch_size=3)
    assert pickle.loads(pickle.dumps(pipe))("good") == pipe("good")


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
