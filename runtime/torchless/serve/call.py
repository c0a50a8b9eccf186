"""One request being answered: what a dialect may ask for, and what is noted on the way for headers and logs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from torchless.inputs.arguments import Text
from torchless.numerics import Floats, normalize

from .batcher import Job
from .engine import Engine, Span, Task
from .errors import ClientLeftError, InvalidError, TooLargeError
from .service import Service

Scope = Any
Receive = Any

# An extension of ASGI: scope["extensions"][ON_DISCONNECT](callback) returns what takes the callback back.
ON_DISCONNECT = "torchless.on_disconnect"


class Call:
    """A request on its way.

    Attributes:
        service: what all requests share.
        path: parameters of the path, such as `name`.
        headers: the request's headers, lower case.
        job: what was asked of the model; None where nothing was.
    """

    def __init__(self, service: Service, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> None:
        self.service = service
        self.path: dict[str, str] = scope["path_params"]
        self.headers = headers
        self.job: Job | None = None
        self._on_disconnect = (scope.get("extensions") or {}).get(ON_DISCONNECT)
        self._receive = receive

    def engine(self, name: str | None = None) -> Engine:
        """The model that the path names, else the one that the body names, else the first."""
        return self.service.engine(self.path.get("name") or name)

    async def scores(self, engine: Engine, texts: Sequence[Text], *, truncate: bool | None = None) -> Floats:
        """Every label's score under the bundle's own activation: float32 (texts, labels).

        Raises:
            RequestError, InferenceError: as `Batcher.submit`; also for more texts than a request may hold.
        """
        return await self._rows(engine, "scores", texts, truncate)

    async def logits(self, engine: Engine, texts: Sequence[Text], *, truncate: bool | None = None) -> Floats:
        """What the head answers, untouched: float32 (texts, labels); errors as `scores`."""
        return await self._rows(engine, "logits", texts, truncate)

    async def embeddings(
        self, engine: Engine, texts: Sequence[Text], *, unit_length: bool = True, truncate: bool | None = None
    ) -> Floats:
        """One vector a text: float32 (texts, dimensions); errors as `scores`."""
        rows = await self._rows(engine, "embedding", texts, truncate)
        return normalize(rows) if unit_length else rows

    async def tokens(self, engine: Engine, texts: Sequence[str], *, special_tokens: bool) -> list[list[Span]]:
        """The tokens of every text, untruncated.

        Raises:
            TooLargeError: more texts than a request may hold.
            OverloadedError: too many such requests are under way.
        """
        self._check_count(texts)
        spans: list[list[Span]] = await self.service.aside(engine.tokens, texts, special_tokens)
        return spans

    @property
    def token_count(self) -> int:
        """Tokens of all texts that were asked about."""
        return sum(self.job.lengths) if self.job else 0

    def _check_count(self, texts: Sequence[Text]) -> None:
        most = self.service.settings.max_batch_texts
        if len(texts) > most:
            raise TooLargeError(f"expected at most {most} texts in a request, got {len(texts)}")

    async def _rows(self, engine: Engine, task: Task, texts: Sequence[Text], truncate: bool | None) -> Floats:
        engine.require(task)
        self._check_count(texts)
        self.job = job = Job(engine, task, texts, refuse_truncation=truncate is False)
        stop_watching = self._watch(job)
        try:
            await self.service.batcher.submit(job)
        finally:
            stop_watching()
        return job.rows

    def _watch(self, job: Job) -> Callable[[], object]:
        """Drop the request when its client leaves; returns what ends the watch."""

        def drop() -> None:
            job.fail(ClientLeftError())

        async def wait() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass
            drop()

        # Our own connections tell; of others the next message after the body does, at the price of a task.
        return self._on_disconnect(drop) if self._on_disconnect else asyncio.ensure_future(wait()).cancel


def check_dimensions(engine: Engine, dimensions: int | None) -> None:
    """Refuse shortened vectors: only models trained for it can be cut.

    Raises:
        InvalidError: the model's vectors have another size.
    """
    if dimensions not in (None, engine.manifest.hidden_size):
        raise InvalidError(f"vectors of {engine.name} have {engine.manifest.hidden_size} dimensions, not {dimensions}")
