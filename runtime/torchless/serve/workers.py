"""The threads that empty the queue: they tokenise what has arrived, run what is tokenised, and answer.

Each `torchless-worker` thread, as soon as it is free, first tokenises the requests that have arrived, then takes texts
from the queue and runs them; `plan.split` puts texts of like length together, as it does for the library. One
`torchless-tokeniser` thread tokenises very long requests, so that no other request waits for that. The threads share
nothing but the queue and the metrics, and reach an event loop through `call_in_loop` alone.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import perf_counter

import numpy as np

from torchless.inputs.arguments import characters
from torchless.inputs.tokens import Batch
from torchless.running import plan

from .errors import InvalidError
from .metrics import Metrics
from .queued_request import QueuedRequest, Tokens, call_in_loop
from .request_queue import RequestQueue, Taken
from .served_model import ServedModel

Owners = list[tuple[QueuedRequest, int]]  # the request and the text in it that each row of a batch belongs to


class Workers:
    """The threads of one queue; they end when it is closed."""

    def __init__(self, queue: RequestQueue, metrics: Metrics) -> None:
        """Start `queue.workers` workers and a tokeniser."""
        self._queue = queue
        self._metrics = metrics
        threading.Thread(target=self._tokenise_long, name="torchless-tokeniser", daemon=True).start()
        for _ in range(queue.workers):
            threading.Thread(target=self._work, name="torchless-worker", daemon=True).start()

    def _work(self) -> None:
        queue = self._queue
        while queue.wait():
            if arrivals := queue.arrivals():
                self._tokenise(arrivals, takes_one=True)
            if taken := queue.take():
                self._run(taken)

    def _tokenise_long(self) -> None:
        while (request := self._queue.next_long()) is not None:
            self._tokenise([request], takes_one=False)

    # Texts to tokens.

    def _tokenise(self, requests: list[QueuedRequest], *, takes_one: bool) -> None:
        wanted = [request for request in requests if not request.over]
        if len(wanted) < len(requests):
            self._queue.forget([request for request in requests if request not in wanted])
        for model in dict.fromkeys(request.model for request in wanted):
            self._tokenise_for(model, [request for request in wanted if request.model is model], takes_one=takes_one)

    def _tokenise_for(self, model: ServedModel, requests: list[QueuedRequest], *, takes_one: bool) -> None:
        begun_s = perf_counter()
        try:
            batch = model.tokenizer.encode([text for request in requests for text in request.texts])
        except Exception as error:  # a bug too: the thread must live on, and the requests must be answered
            if len(requests) == 1:
                self._refuse(requests, error)
                return
            for request in requests:  # one request must not be refused for its neighbour
                self._tokenise_for(model, [request], takes_one=takes_one)
            return
        cut = _share_out(batch, requests, perf_counter() - begun_s)
        ready = []
        for request in requests:
            if request.refuse_truncation and any(request.tokens.truncated):
                place, limit = request.tokens.truncated.index(True), model.manifest.max_tokens
                problem = f"text {place} is longer than {limit} tokens, and truncation was refused"
                self._refuse([request], InvalidError(problem))
            else:
                ready.append(request)
        if not cut:
            seen = sum(characters(text) for request in requests for text in request.texts)
            self._queue.learn_ratio(seen, len(batch.truncated), int(batch.offsets[-1]))
        self._queue.offer(ready, wake=len(batch.truncated) - takes_one)

    def _refuse(self, requests: list[QueuedRequest], error: Exception) -> None:
        self._queue.forget(requests)
        for request in requests:
            request.fail_soon(error)

    # Tokens to answers.

    def _run(self, taken: Taken) -> None:
        """Run what was taken, in batches of like length."""
        model = taken[0][0].model
        owners = [(request, text) for request, texts in taken for text in texts]
        merged = Batch.concatenate([_select(request.tokens.batch, texts) for request, texts in taken])
        for places, part in plan.split(merged, model.budget, padded=model.padded):
            self._run_batch(part, [owners[place] for place in places.tolist()])

    def _run_batch(self, batch: Batch, owners: Owners) -> None:
        begun_s = perf_counter()
        first = owners[0][0]
        try:
            rows = first.model.run(first.task, batch)
        except Exception as error:  # a bug too, as above
            if len(owners) == 1:
                first.fail_soon(error)
                return
            for place, owner in enumerate(owners):  # one text must not spoil the answers of its neighbours
                self._run_batch(batch.select(np.array([place])), [owner])
            return
        seconds, tokens = perf_counter() - begun_s, int(batch.offsets[-1])
        for (request, text), row in zip(owners, rows, strict=True):
            request.rows[text] = row
        complete = self._queue.count_answers([request for request, _ in owners], tokens, seconds)
        for loop in {request.loop for request in complete}:
            call_in_loop(loop, _answer, [request for request in complete if request.loop is loop])
        self._metrics.batch(len(owners), tokens)


def _share_out(batch: Batch, requests: Sequence[QueuedRequest], seconds: float) -> bool:
    """Give each request its part of what was tokenised together; returns whether any text was cut."""
    lengths, truncated, start = batch.lengths.tolist(), batch.truncated.tolist(), 0
    for request in requests:
        end = start + len(request.texts)
        part = batch if len(requests) == 1 else batch.select(np.arange(start, end))
        request.tokenised(Tokens(part, lengths[start:end], truncated[start:end], seconds))
        start = end
    return any(truncated)


def _select(batch: Batch, texts: list[int]) -> Batch:
    return batch if len(batch.truncated) == 1 else batch.select(np.array(texts))


def _answer(requests: list[QueuedRequest]) -> None:
    for request in requests:
        request.answer()
