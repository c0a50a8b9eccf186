"""What a model can be asked for in a benchmark."""

from __future__ import annotations

from typing import Literal

BenchmarkTask = Literal["classify", "pairs", "rank", "tag", "embed"]
TASKS: tuple[BenchmarkTask, ...] = ("classify", "pairs", "rank", "tag", "embed")
PAIR_TASKS = ("pairs", "rank")
