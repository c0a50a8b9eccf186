"""One request being answered: what a dialect may ask for, and what is noted meanwhile for headers and logs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from torchless.answers.numerics import Floats, normalize
from torchless.answers.spans import TaggedText, Tagging
from torchless.inputs.arguments import Side, Text, characters
from torchless.inputs.token_windows import Reading
from torchless.inputs.tokens import TokenSpan

from .byte_budget import FREE_BYTES, Share
from .daemon import in_daemon
from .errors import ClientLeftError, InvalidError, TooLargeError
from .queued_request import QueuedRequest, SpansRequest, TagRequest
from .served_model import ServedModel, Task
from .service import Service

_REPEATS = 2  # of a body, in texts that are made of it: with zero-shot labels, each text is one of many pairs
_BYTES_PER_SPAN = 100  # a token with its place in JSON
_FEW_TOKENS = 256  # spans of more take longer than other requests may wait
T = TypeVar("T", bound=Text)
Scope = Any
Receive = Any

# An extension of ASGI: scope["extensions"][ON_DISCONNECT](callback) returns what takes the callback back.
ON_DISCONNECT = "torchless.on_disconnect"


class Call:
    """A request that is being answered. Where it takes texts, a str is one text.

    Attributes:
        service: what all requests share.
        path: parameters of the path, such as `name`.
        headers: the request's headers, lower case.
        queued: what was asked of the model; None if nothing was.
        queued_per_text: how many texts of `queued` each text of the request has become: one, or a pair per label.
        share: the bytes that its body and its answer hold, where they are large.
        aside: it is answered in the event loop for large requests.
        timeout_s: seconds that its client gives the server; None: as long as the server does, which is the most.
    """

    def __init__(self, service: Service, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> None:
        self.service = service
        self.path: dict[str, str] = scope["path_params"]
        self.headers = headers
        self.queued: QueuedRequest | None = None
        self.queued_per_text = 1
        self.share = Share(service.bytes)
        self.aside = False
        self.timeout_s: float | None = None
        self._begun_s = perf_counter()
        self._on_disconnect = (scope.get("extensions") or {}).get(ON_DISCONNECT)
        self._receive = receive

    def model(self, name: str | None = None) -> ServedModel:
        """The model that the path names, else the one that the body names, else the first."""
        return self.service.model(self.path.get("name") or name)

    async def scores(self, model: ServedModel, texts: str | Sequence[Text], *, truncate: bool | None = None) -> Floats:
        """Every label's score under the bundle's own activation: float32 (texts, labels).

        Raises:
            RequestError, InferenceError: as `RequestQueue.submit`; also for more texts than a request may hold.
        """
        return await self._rows(model, "scores", texts, truncate)

    async def logits(self, model: ServedModel, texts: str | Sequence[Text], *, truncate: bool | None = None) -> Floats:
        """What the head answers, untouched: float32 (texts, labels); errors as `scores`."""
        return await self._rows(model, "logits", texts, truncate)

    async def embeddings(
        self,
        model: ServedModel,
        texts: str | Sequence[Text],
        *,
        unit_length: bool = True,
        truncate: bool | None = None,
    ) -> Floats:
        """One vector per text: float32 (texts, hidden_size); errors as `scores`."""
        rows = await self._rows(model, "embeddings", texts, truncate)
        return normalize(rows) if unit_length else rows

    async def tokens(
        self, model: ServedModel, texts: str | Sequence[str], *, special_tokens: bool
    ) -> list[list[TokenSpan]]:
        """The tokens of every text, untruncated.

        Raises:
            TooLargeError: more texts than a request may hold.
            RequestError: as `RequestQueue.submit`; also for more tokens than the queue holds.
        """
        listed = self._listed(texts)
        queued = SpansRequest(model, listed, special_tokens=special_tokens)
        tokens = min(queued.most_tokens(), self.service.settings.max_queue_tokens)
        self._hold(int(tokens) * _BYTES_PER_SPAN)
        await self._submit(queued)
        return queued.spans

    async def tags(
        self, model: ServedModel, texts: str | Sequence[str], tagging: Tagging, reading: Reading
    ) -> list[TaggedText]:
        """The labelled parts of every text; a long one is read in windows, or cut.

        Raises:
            InvalidError: the bundle does not label tokens.
            TooLargeError: more texts than a request may hold, or more tokens than the queue holds.
            RequestError, InferenceError: as `RequestQueue.submit`.
        """
        model.require("tags")
        self.queued = queued = TagRequest(model, self._listed(texts), reading)
        tokens = min(queued.most_tokens(), self.service.settings.max_queue_tokens)
        self._hold(int(tokens) * model.answer_bytes["tags"])
        await self._submit(queued)
        spans: Callable[[], list[TaggedText]] = partial(list, queued.tagged(tagging))
        return spans() if self.aside or self.token_count < _FEW_TOKENS else await in_daemon(spans)

    @property
    def token_count(self) -> int:
        """Tokens of all texts that were asked about."""
        return sum(self.queued.tokens.lengths) if self.queued else 0

    def _listed(self, texts: str | Sequence[T]) -> Sequence[str | T]:
        listed: Sequence[str | T] = [texts] if isinstance(texts, str) else texts
        most = self.service.settings.max_batch_texts
        if len(listed) > most:
            raise TooLargeError(f"expected at most {most} texts in a request, got {len(listed)}")
        sizes = [characters(text) for text in listed]
        longest, most = max(sizes, default=0), self.service.settings.max_text_characters
        if longest > most:
            raise TooLargeError(f"expected at most {most} characters per text, got one of {longest}")
        most = _REPEATS * self.service.settings.max_body_bytes
        if sum(sizes) > most:
            raise TooLargeError(f"expected at most {most} characters in all texts, repeated ones counted each time")
        return listed

    async def _rows(self, model: ServedModel, task: Task, texts: str | Sequence[Text], truncate: bool | None) -> Floats:
        model.require(task)
        listed = self._listed(texts)
        self.hold_answer(model, task, len(listed))
        self.queued = queued = QueuedRequest(model, task, listed, refuse_truncation=truncate is False)
        await self._submit(queued)
        return queued.rows

    def hold_answer(self, model: ServedModel, task: Task, texts: int) -> None:
        """Hold the bytes of an answer to so many texts, if they are many.

        Raises:
            OverloadedError: other large bodies and answers take all of the room.
        """
        self._hold(texts * model.answer_bytes[task])

    def hold_texts(self, texts: Sequence[str]) -> None:
        """Hold the bytes of texts that the answer repeats, if they are many; errors as `hold_answer`."""
        self._hold(sum(len(text.encode()) for text in texts))

    def _hold(self, size: int) -> None:
        if size > FREE_BYTES:
            self.share.take(size)

    async def _submit(self, queued: QueuedRequest) -> None:
        if self.aside:  # `Aside` watches
            await self.service.queue.submit(queued, self.timeout_s, self.spent_s)
            return
        stop_watching = self.watch(lambda: queued.fail(ClientLeftError()))
        try:
            await self.service.queue.submit(queued, self.timeout_s, self.spent_s)
        finally:
            stop_watching()

    @property
    def spent_s(self) -> float:
        """Seconds since the request's head arrived."""
        return perf_counter() - self._begun_s

    def watch(self, drop: Callable[[], None]) -> Callable[[], object]:
        """Call a function when the client leaves; returns what ends the watch. For the loop of the connection."""

        async def wait() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass
            drop()

        # Our own connections tell; of others the next message after the body does, at the price of a task.
        return self._on_disconnect(drop) if self._on_disconnect else asyncio.ensure_future(wait()).cancel


def check_dimensions(model: ServedModel, dimensions: int | None) -> None:
    """Refuse shortened vectors: only models trained for it can be cut.

    Raises:
        InvalidError: the model's vectors have another size.
    """
    size = model.manifest.hidden_size
    if dimensions not in (None, size):
        raise InvalidError(f"vectors of {model.name} have {size} dimensions, not {dimensions}")


def refuse_other_side(name: str, asked: str | None, side: Side) -> None:
    """Refuse truncation on another side than the model's; `name` is the field that asks for it.

    Raises:
        InvalidError: it is the other side.
    """
    if asked is not None and asked.lower() != side:
        raise InvalidError(f"{name}: the model decides where texts are cut; expected {side}, got {asked.lower()}")


def check_truncation(model: ServedModel, tokens: int | None, side: Side | None) -> None:
    """Refuse another limit or another side than the model's; None and -1 are the model's own limit.

    Raises:
        InvalidError: it is another one.
    """
    limit = model.manifest.max_tokens
    if tokens not in (None, -1, limit):
        raise InvalidError(f"truncate_prompt_tokens: this model cuts at {limit} tokens, got {tokens}")
    refuse_other_side("truncation_side", side, model.manifest.truncation_side)
