"""What a tokenizer's normalizer makes of a text by what it puts in: marks for spaces, or a text for what it finds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

MOST_INSERTED = 10_000  # characters for one of a text; real tokenizers put in a dozen at most


def inserted(normalizer: Any) -> float:
    """Characters that a `tokenizers` normalizer makes of one, at most, by its steps of Prepend and Replace."""
    return math.prod(map(_inserted, _steps(json.loads(normalizer.__getstate__()) if normalizer is not None else {})))


def _steps(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for step in state.get("normalizers", [state]):
        yield from _steps(step) if "normalizers" in step else [step]


def _inserted(step: dict[str, Any]) -> float:
    if "prepend" in step:
        return 1 + len(step["prepend"])
    added = len(step.get("content") or "")
    replaced = len(step.get("pattern", {}).get("String", "x"))  # a regular expression finds one character or more
    return max(added / replaced, 1) if replaced else 1 + added
