"""A served model that notes what it is given, and requests for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchless import Encoder
from torchless.errors import InferenceError
from torchless.inputs.tokens import Batch
from torchless.running.plan import BUDGETS
from torchless.serve.metrics import Metrics
from torchless.serve.queued_request import QueuedRequest
from torchless.serve.request_queue import RequestQueue
from torchless.serve.settings import Settings
from torchless.serve.token_bound import TokenBound
from torchless.serve.workers import Workers


class FakeServedModel:
    """Answers each text with its number of tokens, once its gate is open; refuses a token."""

    def __init__(self, path: Path) -> None:
        encoder = Encoder.load(path, threads=1)
        self.tokenizer, self.manifest = encoder.tokenizer, encoder.manifest
        self.token_bound = TokenBound(self.tokenizer)
        self.columns = {"embeddings": 1, "scores": 1}
        self.padded = False
        self.budget = BUDGETS["cpu"]
        self.batches: list[tuple[str, list[int]]] = []
        self.alone: list[bool] = []  # of each batch
        self.gate = threading.Event()
        self.gate.set()
        self.refused_token: int | None = None

    def width(self, task: str, *, alone: bool) -> float:  # noqa: ARG002
        return 1.0

    def run(self, task: str, batch: Batch, *, alone: bool = False) -> NDArray[np.float32]:
        self.alone.append(alone)
        self.gate.wait(10)
        self.batches.append((task, batch.lengths.tolist()))
        if self.refused_token is not None and (batch.input_ids == self.refused_token).any():
            raise InferenceError("no")
        return batch.lengths.astype(np.float32)[:, None]


@contextmanager
def running(settings: Settings | None = None, workers: int = 1) -> Iterator[RequestQueue]:
    """A queue with workers that empty it."""
    queue = RequestQueue(settings or Settings(), workers)
    Workers(queue, Metrics())
    try:
        yield queue
    finally:
        queue.close()


async def ask(queue: RequestQueue, model: Any, texts: list[str], task: Any = "embeddings") -> list[float]:
    """The answer to every text."""
    request = QueuedRequest(model, task, texts, refuse_truncation=False)
    await queue.submit(request)
    return [float(value) for value in request.rows[:, 0]]


def words(count: int) -> str:
    """A text of so many tokens; two more are special."""
    return " ".join(["!"] * count)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other threads do."""
    while not condition():
        await asyncio.sleep(0.001)
