"""Contenders that do what a test needs; loaded by name in processes of their own."""

from __future__ import annotations

import os
import sys
import time

import numpy as np

from torchless_bench.contenders.contender import Floats, LoadedContender, Setup

NAMES = ["odd", "even"]


def lengths(texts: list[str]) -> Floats:
    """Logits that say whether a text has an even number of characters."""
    return np.array([[len(text) % 2, 1 - len(text) % 2] for text in texts], np.float32)


def load(_: Setup) -> LoadedContender:
    return LoadedContender.batched(lengths, NAMES)


def load_talkative(_: Setup) -> LoadedContender:
    sys.stdout.write("a library says hello on stdout\n")
    os.system("echo and so does its child")
    return LoadedContender.batched(lengths, NAMES)


def load_slightly_off(_: Setup) -> LoadedContender:
    return LoadedContender.batched(lambda texts: lengths(texts) * 1.1, NAMES)


def load_contrary(_: Setup) -> LoadedContender:
    return LoadedContender.batched(lambda texts: 1 - lengths(texts), NAMES)


def load_nan(_: Setup) -> LoadedContender:
    return LoadedContender.batched(lambda texts: lengths(texts) * np.float32("nan"), NAMES)


def load_not_installed(_: Setup) -> LoadedContender:
    import a_package_that_nobody_has  # noqa: F401

    raise AssertionError


def load_broken(_: Setup) -> LoadedContender:
    raise ValueError("unsupported architecture")


def load_crashing(_: Setup) -> LoadedContender:
    os._exit(7)


def load_crashing_later(_: Setup) -> LoadedContender:
    calls = 0

    def logits(texts: list[str]) -> Floats:
        nonlocal calls
        calls += 1
        if calls > 2:
            os.abort()
        return lengths(texts)

    return LoadedContender.batched(logits, NAMES)


def load_endless(_: Setup) -> LoadedContender:
    def logits(_: list[str]) -> Floats:
        time.sleep(600)
        raise AssertionError

    return LoadedContender.batched(logits, NAMES)
