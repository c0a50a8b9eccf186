"""Denormals are zero while a graph runs, and nobody else notices."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from torchless import Classifier
from torchless.running import denormals
from torchless.running.denormals import flushing

needs_flags = pytest.mark.skipif(denormals._FUNCTIONS is None, reason="we know the flags of x86-64 on Linux alone")


def halved() -> bool:
    """Whether half of the smallest normal number is a number, and not zero."""
    return bool(np.finfo(np.float32).tiny * np.float32(0.5))


@needs_flags
def test_denormals_are_zero_inside_and_numbers_again_outside() -> None:
    before = halved()
    with flushing:
        inside = halved()
    assert [before, inside, halved()] == [True, False, True]


@needs_flags
def test_an_error_leaves_the_thread_as_it_was() -> None:
    with pytest.raises(ZeroDivisionError), flushing:
        _ = 1 // 0
    assert halved()


@needs_flags
def test_other_threads_keep_their_own() -> None:
    inside, looked = threading.Event(), threading.Event()

    def wait() -> None:
        with flushing:
            inside.set()
            looked.wait(10)

    other = threading.Thread(target=wait)
    other.start()
    inside.wait(10)
    assert halved()
    looked.set()
    other.join()


def test_where_the_flags_are_unknown_the_block_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denormals, "_FUNCTIONS", None)
    with flushing:
        assert halved()


def test_loading_and_running_a_model_leaves_a_thread_as_it_was(tiny: Path) -> None:
    classifier = Classifier.load(tiny)
    assert halved()
    classifier.predict(["good", "a rather longer text than that"])
    assert halved()
